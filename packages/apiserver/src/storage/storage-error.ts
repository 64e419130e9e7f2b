import { CodedError } from "@kedge/runtime";

/** How the log refuses; the REST code turns these into Status objects that name the resource. */
export class StorageError extends CodedError<
  | { readonly code: "KeyExists"; readonly key: string }
  | { readonly code: "KeyNotFound"; readonly key: string }
  | { readonly code: "RevisionCompacted"; readonly revision: number; readonly compactedRevision: number }
  | { readonly code: "RevisionInFuture"; readonly revision: number; readonly currentRevision: number }
> {}
