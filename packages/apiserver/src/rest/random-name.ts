import { randomInt } from "node:crypto";

/** No vowels and nothing that looks alike: no words come out. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_CHARS = 5;
/** Of a `generateName`, so that the name fits into a DNS label. */
const GENERATED_PREFIX_CHARS_MAX = 58;

/** `web-` → `web-x7k2q`. */
export function randomName(prefix: string): string {
  let suffix = "";
  for (let i = 0; i < SUFFIX_CHARS; i += 1) suffix += ALPHABET[randomInt(ALPHABET.length)];
  return prefix.slice(0, GENERATED_PREFIX_CHARS_MAX) + suffix;
}
