import pino from "pino";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "silent";

type LogMethod = {
  (facts: object, message: string): void;
  (message: string): void;
};

/** Structured log: facts first, then one sentence. An error goes in under the key `error`. */
export interface Logger {
  trace: LogMethod;
  debug: LogMethod;
  info: LogMethod;
  warn: LogMethod;
  error: LogMethod;
  child(facts: Record<string, unknown>): Logger;
}

export interface LoggerOptions {
  readonly level?: LogLevel;
  /** File descriptor; default 2, standard error. */
  readonly fd?: number;
}

/** One JSON object a line, written synchronously: after a crash the last line is there. */
export function createLogger(facts: Record<string, unknown>, options: LoggerOptions = {}): Logger {
  const { level = "info", fd = 2 } = options;
  return pino(
    {
      level,
      base: facts,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
    },
    pino.destination({ dest: fd, sync: true }),
  );
}

/** For tests, and for tools that speak for themselves. */
export const silentLogger: Logger = pino({ level: "silent" });
