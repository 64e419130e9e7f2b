/** Of one warning. */
const WARNING_CHARS_MAX = 256;
/** In one answer. */
const WARNINGS_MAX = 32;

/** The `Warning` header for kubectl to print; empty: no header. */
export function warningHeaders(warnings: readonly string[]): Record<string, string> {
  if (warnings.length === 0) return {};
  const texts = warnings.slice(0, WARNINGS_MAX).map((warning) => {
    const printable = warning.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, WARNING_CHARS_MAX);
    return `299 - "${printable.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
  });
  return { warning: texts.join(", ") };
}
