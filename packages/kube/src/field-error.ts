/** What is wrong with one field; becomes a cause in a Status with reason `Invalid`. */
export interface FieldError {
  /** `spec.containers[0].name` */
  readonly field: string;
  /** As in Kubernetes: `FieldValueRequired`, `FieldValueInvalid`, `FieldValueNotSupported`, … */
  readonly reason: string;
  /** `Invalid value: "x": must be …`: the kind of error comes first. */
  readonly message: string;
}

const VALUE_CHARS_MAX = 512;

function shown(value: unknown): string {
  const text = value === undefined ? "null" : JSON.stringify(value);
  return text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX)}…` : text;
}

function withDetail(prefix: string, detail: string): string {
  return detail === "" ? prefix : `${prefix}: ${detail}`;
}

export function requiredError(field: string, detail = ""): FieldError {
  return { field, reason: "FieldValueRequired", message: withDetail("Required value", detail) };
}

export function invalidError(field: string, value: unknown, detail: string): FieldError {
  return { field, reason: "FieldValueInvalid", message: withDetail(`Invalid value: ${shown(value)}`, detail) };
}

export function typeError(field: string, value: unknown, detail: string): FieldError {
  return { field, reason: "FieldValueTypeInvalid", message: withDetail(`Invalid value: ${shown(value)}`, detail) };
}

export function notSupportedError(field: string, value: unknown, supported: readonly unknown[]): FieldError {
  return {
    field,
    reason: "FieldValueNotSupported",
    message: `Unsupported value: ${shown(value)}: supported values: ${supported.map(shown).join(", ")}`,
  };
}

export function duplicateError(field: string, value: unknown): FieldError {
  return { field, reason: "FieldValueDuplicate", message: `Duplicate value: ${shown(value)}` };
}

export function forbiddenError(field: string, detail: string): FieldError {
  return { field, reason: "FieldValueForbidden", message: withDetail("Forbidden", detail) };
}

export function notFoundError(field: string, value: unknown): FieldError {
  return { field, reason: "FieldValueNotFound", message: `Not found: ${shown(value)}` };
}

export function tooLongError(field: string, bytesMax: number): FieldError {
  return { field, reason: "FieldValueTooLong", message: `Too long: may not be more than ${bytesMax} bytes` };
}

export function tooManyError(field: string, actual: number, itemsMax: number): FieldError {
  return {
    field,
    reason: "FieldValueTooMany",
    message: `Too many: ${actual}: must have at most ${itemsMax} items`,
  };
}

/** As the API server joins them in a Status' message: `[a: b, c: d]`, or one without brackets. */
export function formatFieldErrors(errors: readonly FieldError[]): string {
  const parts = errors.map(({ field, message }) => `${field}: ${message}`);
  return parts.length === 1 ? (parts[0] ?? "") : `[${parts.join(", ")}]`;
}
