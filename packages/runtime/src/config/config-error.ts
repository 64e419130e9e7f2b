import { CodedError } from "../coded-error.ts";

/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  /** Such as `modules.eventBus.mqttMode`; empty for the whole file. */
  readonly path: string;
  /** What the file says, shortened; `***` where the key holds a secret. */
  readonly value: string;
  /** What would be right. */
  readonly expected: string;
}

/** The configuration cannot be used. `problems` has everything that is wrong, not only the first. */
export class ConfigError extends CodedError<
  | { readonly code: "ConfigInvalid"; readonly problems: readonly ConfigProblem[] }
  | { readonly code: "ConfigMalformed"; readonly problems: readonly ConfigProblem[] }
> {
  static invalid(problems: readonly ConfigProblem[]): ConfigError {
    const lines = problems.map(({ path, value, expected }) => `  ${path}: is ${value}, must be ${expected}`);
    const count = problems.length === 1 ? "1 value is" : `${problems.length} values are`;
    return new ConfigError(`the configuration cannot be used: ${count} wrong\n${lines.join("\n")}`, {
      code: "ConfigInvalid",
      problems,
    });
  }

  /** The same, with the file that it is about. */
  in(file: string): ConfigError {
    return new ConfigError(`${file}: ${this.message}`, this.details, { cause: this });
  }

  static malformed(reason: string, options?: ErrorOptions): ConfigError {
    return new ConfigError(
      `the configuration is not readable as YAML: ${reason}`,
      { code: "ConfigMalformed", problems: [{ path: "", value: "text", expected: "YAML" }] },
      options,
    );
  }
}
