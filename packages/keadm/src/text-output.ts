import { stringify } from "yaml";
import { KeadmError } from "./keadm-error.ts";

/** A value as `-o json` and `-o yaml` show it. */
export function render(value: unknown, format: "json" | "yaml"): string {
  return format === "json" ? JSON.stringify(value, undefined, 2) : stringify(value, { lineWidth: 0 }).trimEnd();
}

/** What `-o` may be. @throws KeadmError `BadInput` */
export function outputFormat<const F extends string>(given: string, formats: readonly F[]): F {
  const found = formats.find((format) => format === given);
  if (found !== undefined) return found;
  throw new KeadmError("BadInput", "-o", `-o ${given} is no output format: take one of ${formats.join(", ")}`);
}

/** Rows of cells as aligned columns; the first row is the heading. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("   ")
        .trimEnd(),
    )
    .join("\n");
}
