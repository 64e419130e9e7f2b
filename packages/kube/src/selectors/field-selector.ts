import { SelectorError } from "./selector-error.ts";

export interface FieldRequirement {
  readonly field: string;
  readonly equal: boolean;
  readonly value: string;
}

/**
 * Reads `spec.nodeName=edge-1,status.phase!=Failed`. In values, `\` escapes `\`, `,` and `=`.
 *
 * @throws SelectorError if a term has no operator or ends in a lone `\`.
 */
export function parseFieldSelector(text: string): FieldRequirement[] {
  return splitTerms(text).map((term) => parseTerm(term, text));
}

/** Whether all requirements hold; a field that the resource does not offer counts as empty. */
export function matchesFields(
  requirements: readonly FieldRequirement[],
  fields: Readonly<Record<string, string>>,
): boolean {
  return requirements.every(({ field, equal, value }) => {
    const actual = Object.hasOwn(fields, field) ? fields[field] : "";
    return (actual === value) === equal;
  });
}

/** The inverse of {@link parseFieldSelector}. */
export function formatFieldSelector(requirements: readonly FieldRequirement[]): string {
  return requirements
    .map(({ field, equal, value }) => `${field}${equal ? "=" : "!="}${value.replaceAll(/[\\,=]/g, (c) => `\\${c}`)}`)
    .join(",");
}

function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i += 1) {
    if (text[i] === "\\") i += 1;
    else if (text[i] === ",") {
      terms.push(text.slice(start, i));
      start = i + 1;
    }
  }
  terms.push(text.slice(start));
  return terms.filter((term) => term !== "");
}

function parseTerm(term: string, selector: string): FieldRequirement {
  const match = /^([^=!]+)(==|!=|=)([^]*)$/.exec(term);
  if (match === null) throw new SelectorError(`invalid selector: '${selector}'; can't understand '${term}'`, selector);
  const [, field = "", operator, escaped = ""] = match;
  return { field: field.trim(), equal: operator !== "!=", value: unescape(escaped, selector) };
}

function unescape(escaped: string, selector: string): string {
  return escaped.replaceAll(/\\([^]?)|[=,]/g, (found, char: string | undefined) => {
    if (char !== undefined && /^[\\,=]$/.test(char)) return char;
    throw new SelectorError(`invalid field selector: ${found} must be escaped in ${escaped}`, selector);
  });
}
