const NAME = /^[a-zA-Z0-9\-_.,:/@#]{1,128}$/;
const VALUE = /^[a-zA-Z0-9\-_.,:/@#]{1,512}$/;
const INTEGER = /^[-+]?\d+$/;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
// Go's float syntax, underscores left out: decimal, hexadecimal with binary exponent, and the words.
const FLOAT =
  /^[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|0x(?:[\da-f]+\.?[\da-f]*|\.[\da-f]+)p[-+]?\d+|inf|infinity|nan)$/i;

/** Type of a twin that was removed: its row stays, so that a late message of the cloud is seen to be late. */
export const DELETED = "deleted";
export const STRING = "string";

/** Why `name` cannot name a property, or undefined. */
export function checkTwinName(name: string): string | undefined {
  if (NAME.test(name)) return undefined;
  return "The key of twin must only include upper or lowercase letters, number, english, and special letter - _ . , : / @ # and the length of key should be less than 128 bytes";
}

/** Why `value` cannot be a value on MQTT, or undefined. Empty text can. */
export function checkTwinValue(value: string): string | undefined {
  if (value === "" || VALUE.test(value)) return undefined;
  return "The value of twin must only include upper or lowercase letters, number, english, and special letter - _ . , : / @ # and the length of value should be less than 512 bytes";
}

/** Why `value` is not of `type`, or undefined. */
export function checkTwinType(type: string, value: string): string | undefined {
  switch (type) {
    case "":
    case STRING:
    case DELETED:
      return undefined;
    case "int":
    case "integer":
      return isInt64(value) ? undefined : "the value is not int or integer";
    case "float":
      return FLOAT.test(value) ? undefined : "the value is not float";
    case "boolean":
      return value === "true" || value === "false" ? undefined : "the bool value must be true or false";
    default:
      return "the value type is not allowed";
  }
}

function isInt64(value: string): boolean {
  if (!INTEGER.test(value)) return false;
  const number = BigInt(value.startsWith("+") ? value.slice(1) : value);
  return number >= INT64_MIN && number <= INT64_MAX;
}
