import type { BuiltinStrategy } from "../builtin-strategy.ts";

/** `apiVersion/Kind` → what its schema does not say. */
export const strategies: ReadonlyMap<string, BuiltinStrategy<never>> = new Map<string, BuiltinStrategy<never>>([]);
