import { CodedError } from "@kedge/runtime";

/** A kubeconfig that we cannot, or will not, use; the message names the file and the member. */
export class KubeconfigError extends CodedError<{
  readonly code: "Unreadable" | "Malformed" | "Incomplete" | "Unsupported" | "InsecureRefused";
  readonly file: string;
}> {}
