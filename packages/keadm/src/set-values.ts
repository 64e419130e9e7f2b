import { ConfigError } from "@kedge/runtime";
import { KeadmError } from "./keadm-error.ts";

/** One `path=value` of `--set`. */
export interface SetValue {
  readonly path: readonly (string | number)[];
  readonly value: unknown;
  /** As it was written, for keys that hold text whatever it looks like. */
  readonly text: string;
}

const SETS_MAX = 1000;
const LIST_INDEX_MAX = 1000;
const PATH_PART = /^((?:[^\\.[\]]|\\.)+)((?:\[\d+\])*)$/;

/**
 * Reads `a.b=1,c[0]=x,d={x,y}`; a backslash takes the meaning from a comma, a dot or a brace.
 *
 * @throws KeadmError `BadInput` naming the part that cannot be read
 */
export function parseSets(texts: readonly string[]): SetValue[] {
  const sets = texts.flatMap((text) => splitUnescaped(text, ",").filter((part) => part !== ""));
  if (sets.length > SETS_MAX) throw badSet("", `at most ${SETS_MAX} values can be set`);
  return sets.map(parseSet);
}

/** Splits where `separator` is neither escaped nor within braces. */
function splitUnescaped(text: string, separator: string): string[] {
  const parts = [""];
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    const last = parts.length - 1;
    if (char === "\\") {
      parts[last] += char + text.charAt((at += 1));
      continue;
    }
    if (char === "{") depth += 1;
    if (char === "}") depth -= 1;
    if (char === separator && depth === 0) parts.push("");
    else parts[last] += char;
  }
  return parts;
}

function parseSet(set: string): SetValue {
  const equals = /^(?:[^\\=]|\\.)*=/.exec(set)?.[0];
  if (equals === undefined) throw badSet(set, "it must be path=value");
  const text = set.slice(equals.length);
  const list = /^\{(.*)\}$/s.exec(text)?.[1];
  const value = list === undefined ? scalar(text) : list === "" ? [] : splitUnescaped(list, ",").map(scalar);
  return { path: parsePath(equals.slice(0, -1), set), value, text: unescape(text) };
}

function parsePath(text: string, set: string): (string | number)[] {
  return splitUnescaped(text, ".").flatMap((part) => {
    const [, name, indexes = ""] = PATH_PART.exec(part) ?? [];
    if (name === undefined) throw badSet(set, `"${part}" is no key`);
    if (name === "__proto__") throw badSet(set, `"${name}" is no key`);
    const numbers = [...indexes.matchAll(/\d+/g)].map(([digits]) => Number(digits));
    if (numbers.some((index) => index > LIST_INDEX_MAX)) throw badSet(set, `an index is above ${LIST_INDEX_MAX}`);
    return [unescape(name), ...numbers];
  });
}

function scalar(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  if (text === "null") return null;
  // As in Helm: what begins with a zero is text, such as a file's mode.
  if (/^-?(0|[1-9]\d*)$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  return unescape(text);
}

function unescape(text: string): string {
  return text.replaceAll(/\\(.)/g, "$1");
}

function badSet(set: string, why: string): KeadmError {
  return new KeadmError("BadInput", "--set", `--set ${set}: ${why}; write it as --set some.key=value`);
}

/** `modules.eventBus.list[0]` */
function pathText(path: SetValue["path"]): string {
  return path.map((part, at) => (typeof part === "number" ? `[${part}]` : at === 0 ? part : `.${part}`)).join("");
}

/** A copy of `base` with these values; whatever is on the way and missing is made. @throws KeadmError `BadInput` */
function withSets(base: object, sets: readonly SetValue[]): object {
  const result = structuredClone(base);
  for (const set of sets) put(result, set);
  return result;
}

function put(root: object, { path, value }: SetValue): void {
  let at = root as Record<string | number, unknown>;
  for (const [depth, part] of path.entries()) {
    const isList = Array.isArray(at);
    if (isList !== (typeof part === "number"))
      throw badSet(pathText(path), `${pathText(path.slice(0, depth))} is ${isList ? "a list" : "no list"}`);
    if (depth === path.length - 1) {
      at[part] = value;
      return;
    }
    const next = Object.hasOwn(at, part) ? at[part] : undefined;
    if (typeof next === "object" && next !== null) at = next as Record<string | number, unknown>;
    else at = at[part] = (typeof path[depth + 1] === "number" ? [] : {}) as Record<string | number, unknown>;
  }
}

export interface LoadedValues {
  readonly warnings: readonly { readonly kind: string; readonly path: string; readonly message: string }[];
}

/**
 * Applies `--set` strictly: a key that nobody knows is an error, not a file that silently does not work. A value that looks
 * like a number goes to a key that holds text as the text that was written.
 *
 * @param load reads the whole; it throws ConfigError, and warns of keys that it does not know.
 * @param keysAre where a person finds the keys that there are.
 * @throws KeadmError `BadInput` with the one key that is wrong
 */
export function applySets<T extends LoadedValues>(
  base: object,
  sets: readonly SetValue[],
  load: (values: object) => T,
  keysAre = "edgecore --defaultconfig lists them",
): { readonly values: object; readonly loaded: T } {
  let chosen = sets;
  for (;;) {
    const values = withSets(base, chosen);
    try {
      const loaded = load(values);
      const unknown = loaded.warnings.find(
        ({ kind, path }) => kind === "unknown-key" && sets.some((set) => covers(path, pathText(set.path))),
      );
      if (unknown === undefined) return { values, loaded };
      throw new KeadmError("BadInput", "--set", `--set ${unknown.path}: there is no such key; ${keysAre}`);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const wrong = new Set(error.details.problems.map(({ path }) => path));
      const isNumber = (set: SetValue) => wrong.has(pathText(set.path)) && typeof set.value !== "string";
      if (!chosen.some((set) => isNumber(set) && !Array.isArray(set.value)))
        throw new KeadmError("BadInput", "--set", `--set: ${error.message}`, { cause: error });
      chosen = chosen.map((set) => (isNumber(set) && !Array.isArray(set.value) ? { ...set, value: set.text } : set));
    }
  }
}

function covers(warned: string, set: string): boolean {
  return set === warned || set.startsWith(`${warned}.`) || set.startsWith(`${warned}[`);
}
