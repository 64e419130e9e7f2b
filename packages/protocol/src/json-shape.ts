/** Arrays and objects inside each other; the deepest of Kubernetes' schemas have a tenth of it. */
export const JSON_DEPTH_MAX = 1_000;
/** Values of all kinds in one message: `[{},{},…]` takes twenty times its length in memory, and this many 200 MB. */
export const JSON_VALUES_MAX = 2_000_000;

export type JsonShape =
  /** Where the first value ends; undefined: it does not, or the text starts with something else. */
  { readonly fits: true; readonly end: number | undefined } | { readonly fits: false; readonly what: string };

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Whether a text cannot be beyond the limits, whatever it says: a tenth of the time that reading it takes. */
export function isPlainlyModest(text: string): boolean {
  if (text.length <= JSON_DEPTH_MAX) return true;
  if (text.length > JSON_VALUES_MAX) return false;
  let opening = 0;
  for (const bracket of ["{", "["])
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) {
      opening += 1;
      if (opening > JSON_DEPTH_MAX) return false;
    }
  return true;
}

/** Reads the brackets of the first value, without building it: JSON.parse would, however large it becomes. */
export function measureFirstValue(text: string): JsonShape {
  let depth = 0;
  let values = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (inString) {
      if (character === BACKSLASH) at += 1;
      else if (character === QUOTE) inString = false;
    } else if (character === QUOTE) inString = true;
    else if (character === COMMA || character === OPEN_BRACE || character === OPEN_BRACKET) {
      values += 1;
      if (character !== COMMA) depth += 1;
      if (depth > JSON_DEPTH_MAX) return { fits: false, what: `nested deeper than ${JSON_DEPTH_MAX}` };
      if (values > JSON_VALUES_MAX) return { fits: false, what: `of more than ${JSON_VALUES_MAX} values` };
    } else if (character === CLOSE_BRACE || character === CLOSE_BRACKET) {
      depth -= 1;
      if (depth <= 0) return { fits: true, end: depth === 0 ? at + 1 : undefined };
    }
  }
  return { fits: true, end: undefined };
}
