import { parseDocument } from "yaml";
import { ConfigError } from "./config-error.ts";
import type { ConfigSchema } from "./config-schema.ts";
import { ConfigWalk, type ConfigWarning } from "./config-walk.ts";

/** A file larger than this is a mistake, not a configuration. */
export const CONFIG_BYTES_MAX = 1024 * 1024;

export interface LoadConfigOptions {
  /** Values of `<name>` in defaults, such as `hostname`. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Paths of the switches whose part of the program exists, such as `modules.eventBus.enable`. */
  readonly supported?: ReadonlySet<string>;
}

export interface LoadedConfig<T> {
  readonly config: T;
  /** For the log: what the file says that has no effect, each with its path. */
  readonly warnings: readonly ConfigWarning[];
}

/**
 * Reads a configuration: fills in defaults, turns durations into ms, and says what it does not know.
 *
 * @param source YAML (or JSON) text, or what was parsed from it already; empty text gives the defaults.
 * @throws {ConfigError} `ConfigMalformed`: not YAML. `ConfigInvalid`: with every wrong value.
 */
export function loadConfig<T>(
  schema: ConfigSchema<T>,
  source: string | object,
  options: LoadConfigOptions = {},
): LoadedConfig<T> {
  const input = typeof source === "string" ? parseYaml(source) : source;
  const walk = new ConfigWalk(options.variables ?? {}, options.supported ?? new Set());
  const config = walk.read(schema, input ?? {}, "");
  if (walk.problems.length > 0) throw ConfigError.invalid(walk.problems);
  return { config: config as T, warnings: walk.warnings };
}

function parseYaml(text: string): unknown {
  if (Buffer.byteLength(text) > CONFIG_BYTES_MAX)
    throw ConfigError.malformed(`it is larger than ${CONFIG_BYTES_MAX} bytes`);
  const document = parseDocument(text, { prettyErrors: true });
  const [error] = document.errors;
  if (error !== undefined) throw ConfigError.malformed(error.message, { cause: error });
  try {
    return document.toJS({ maxAliasCount: 100 }) as unknown;
  } catch (cause) {
    throw ConfigError.malformed(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
