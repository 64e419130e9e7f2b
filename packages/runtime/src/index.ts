export { Component } from "./component.ts";
export { CodedError, type ErrorDetails, hasCode, isRetryable, toError } from "./coded-error.ts";
export { BusError, MessageBus, type Notices, type Topics } from "./message-bus.ts";
export { type Clock, systemClock } from "./clock.ts";
export { Backoff, type BackoffOptions } from "./backoff.ts";
export { abortable, deferred, isAbort } from "./promises.ts";
export { createLogger, type Logger, type LoggerOptions, type LogLevel, silentLogger } from "./logger.ts";
