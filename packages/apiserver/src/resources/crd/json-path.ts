import { CodedError } from "@kedge/runtime";
import { isJsonObject, type JsonValue } from "@kedge/kube";

export class JsonPathError extends CodedError<{ readonly code: "BadJsonPath"; readonly path: string }> {
  constructor(path: string, problem: string) {
    super(`invalid JSON path ${JSON.stringify(path)}: ${problem}`, { code: "BadJsonPath", path });
  }
}

/** One step: from a value to those that it leads to. */
type Step = (value: JsonValue) => JsonValue[];

/** Longer paths than any that a person writes. */
export const JSON_PATH_CHARS_MAX = 1024;

const MEMBER = /\.?([A-Za-z0-9_$](?:[-\w$]|\\.)*|\*)/y;
const QUOTED = /\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\]/y;
const INDEX = /\[(-?\d+|\*)\]/y;
const FILTER =
  /\[\?\(\s*@((?:\.[-\w]+|\['[^']*'\])+)\s*(==|!=)\s*(?:'([^']*)'|"([^"]*)"|(true|false|-?\d+(?:\.\d+)?))\s*\)\]/y;

/**
 * Compiles the part of JSONPath that CustomResourceDefinitions use: `.spec.replicas`, `.a['b.c']`, `[0]`, `[*]`,
 * `.status.conditions[?(@.type=="Ready")].status`.
 *
 * @returns a function giving all values that the path leads to.
 * @throws JsonPathError
 */
export function compileJsonPath(path: string): (root: JsonValue) => JsonValue[] {
  if (path.length > JSON_PATH_CHARS_MAX) throw new JsonPathError(path.slice(0, 80), "too long");
  const steps: Step[] = [];
  let position = path.startsWith("$") ? 1 : 0;
  while (position < path.length) {
    if (path.slice(position) === "." && steps.length === 0) break;
    const { step, next } = readStep(path, position);
    steps.push(step);
    position = next;
  }
  return (root) => steps.reduce<JsonValue[]>((values, step) => values.flatMap(step), [root]);
}

function readStep(path: string, position: number): { step: Step; next: number } {
  const match = (pattern: RegExp) => {
    pattern.lastIndex = position;
    return pattern.exec(path);
  };
  const quoted = match(QUOTED);
  if (quoted !== null) return { step: memberStep(unescape(quoted[1] ?? quoted[2] ?? "")), next: QUOTED.lastIndex };
  const index = match(INDEX);
  if (index !== null) return { step: index[1] === "*" ? allStep : indexStep(Number(index[1])), next: INDEX.lastIndex };
  const filter = match(FILTER);
  if (filter !== null) {
    const [, inner = "", operator, single, double, literal] = filter;
    const wanted = single ?? double ?? (JSON.parse(literal ?? "null") as JsonValue);
    const next = FILTER.lastIndex;
    return { step: filterStep(compileJsonPath(inner), wanted, operator === "=="), next };
  }
  const member = match(MEMBER);
  if (member !== null)
    return { step: member[1] === "*" ? allStep : memberStep(unescape(member[1] ?? "")), next: MEMBER.lastIndex };
  throw new JsonPathError(path, `cannot read "${path.slice(position)}"`);
}

function unescape(text: string): string {
  return text.replaceAll(/\\(.)/g, "$1");
}

function memberStep(name: string): Step {
  return (value) => {
    if (!isJsonObject(value) || !Object.hasOwn(value, name)) return [];
    const member = value[name];
    return member === undefined ? [] : [member];
  };
}

const allStep: Step = (value) => (Array.isArray(value) ? value : isJsonObject(value) ? Object.values(value) : []);

function indexStep(index: number): Step {
  return (value) => {
    const item = Array.isArray(value) ? value.at(index) : undefined;
    return item === undefined ? [] : [item];
  };
}

function filterStep(inner: (value: JsonValue) => JsonValue[], wanted: JsonValue, equal: boolean): Step {
  return (value) =>
    Array.isArray(value) ? value.filter((item) => inner(item).some((found) => (found === wanted) === equal)) : [];
}
