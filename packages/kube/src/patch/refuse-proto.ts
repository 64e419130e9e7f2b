import { PatchError } from "./patch-error.ts";

/** How deep a patch may nest: deeper ones only serve to exhaust the stack. */
export const PATCH_DEPTH_MAX = 128;

/** @throws PatchError if any key is `__proto__` (it would reach behind the object) or the patch nests too deep. */
export function refuseProto(patch: unknown, depth = 0): void {
  if (typeof patch !== "object" || patch === null) return;
  if (depth > PATCH_DEPTH_MAX)
    throw new PatchError("Malformed", `the patch nests deeper than ${PATCH_DEPTH_MAX} levels`);
  if (Object.hasOwn(patch, "__proto__")) throw new PatchError("Forbidden", "a patch must not name __proto__");
  for (const member of Object.values(patch)) refuseProto(member, depth + 1);
}
