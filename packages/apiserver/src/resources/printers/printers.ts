import type { Printer } from "../printing.ts";

/** `apiVersion/Kind` → how it is shown. Kinds that are not here show name and age. */
export const printers: ReadonlyMap<string, Printer<never>> = new Map<string, Printer<never>>([]);
