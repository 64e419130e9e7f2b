export { Component } from "./component.ts";
export { CodedError, type ErrorDetails, hasCode, isRetryable, toError } from "./coded-error.ts";
export { BusError, MessageBus, type Notices, type Topics } from "./message-bus.ts";
export { type Clock, systemClock } from "./clock.ts";
export { Backoff, type BackoffOptions } from "./backoff.ts";
export { abortable, deferred, isAbort } from "./promises.ts";
export { WakeUp } from "./wake-up.ts";
export { createLogger, type Logger, type LoggerOptions, type LogLevel, silentLogger } from "./logger.ts";
export { CONFIG_BYTES_MAX, loadConfig, type LoadConfigOptions, type LoadedConfig } from "./config/load-config.ts";
export { ConfigError, type ConfigProblem } from "./config/config-error.ts";
export { renderConfig } from "./config/config-defaults.ts";
export type { ConfigSchema, DurationMs } from "./config/config-schema.ts";
export type { ConfigWarning } from "./config/config-walk.ts";
export { parseGoDuration } from "./config/go-duration.ts";
export {
  Counter,
  DURATION_BOUNDS_SECONDS,
  Gauge,
  Histogram,
  type MetricOptions,
  METRICS_CONTENT_TYPE,
  Metrics,
  MetricsError,
} from "./metrics.ts";
export { giveBackMemory } from "./give-back-memory.ts";
export { hasErrno } from "./has-errno.ts";
export { TokenBucket } from "./token-bucket.ts";
export { type Check, type CheckResult, type Finding, found, runChecks } from "./doctor/check.ts";
export { madeByUp, UP_CONFIG_HEADER } from "./doctor/made-by-up.ts";
export { isPortFree } from "./doctor/probe-port.ts";
export { type DoctorReport, isWell, renderReport, renderReportJson } from "./doctor/render-report.ts";
