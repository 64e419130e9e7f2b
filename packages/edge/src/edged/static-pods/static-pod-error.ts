import { CodedError } from "@kedge/runtime";

/** Why a file is not run as a static pod; shown in the log and in the agent's status. */
export class StaticPodError extends CodedError<{
  readonly code: "NoPod" | "TooLarge" | "ReferencesApi";
}> {
  override readonly retryable = false; // until somebody changes the file
}
