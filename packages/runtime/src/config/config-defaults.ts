import { stringify } from "yaml";
import type { ConfigSchema } from "./config-schema.ts";

const VARIABLE = /<([A-Za-z]+)>/g;

/** Replaces `<name>` in a default, in text wherever it is nested. @throws if nobody told the variable's value. */
export function expand(value: unknown, variables: Readonly<Record<string, string>>): unknown {
  if (typeof value === "string") {
    return value.replace(VARIABLE, (_, name: string) => {
      const known = variables[name];
      if (known === undefined) throw new TypeError(`a default needs the variable ${name}, which was not given`);
      return known;
    });
  }
  if (Array.isArray(value)) return value.map((item) => expand(item, variables));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, expand(item, variables)]));
  return value;
}

/** What a file with all defaults says (`full`), or one with what people commonly change (`minimal`). */
export function defaultsOf(
  schema: ConfigSchema,
  extent: "full" | "minimal",
  variables: Readonly<Record<string, string>>,
): unknown {
  const { properties } = schema;
  if (properties === undefined) return expand(schema.default, variables);
  if (schema["x-optional"] === true) return undefined;
  const members = Object.entries(properties).flatMap(([key, property]): [string, unknown][] => {
    const shown = extent === "full" || property["x-minimal"] === true;
    if (!shown && property.properties === undefined) return [];
    const value = defaultsOf(property, shown ? "full" : "minimal", variables);
    return value === undefined ? [] : [[key, value]];
  });
  return members.length === 0 ? undefined : Object.fromEntries(members);
}

/** A configuration file as `--defaultconfig` (`full`) and `--minconfig` (`minimal`) print it. */
export function renderConfig(
  schema: ConfigSchema,
  extent: "full" | "minimal",
  variables: Readonly<Record<string, string>>,
  header: string,
): string {
  const comment = header
    .trim()
    .split("\n")
    .map((line) => `# ${line}`.trimEnd())
    .join("\n");
  return `${comment}\n\n${stringify(defaultsOf(schema, extent, variables), { lineWidth: 0, aliasDuplicateObjects: false })}`;
}
