import { CodedError } from "@kedge/runtime";

/** A probe that could not be made: it says nothing about the container. */
export class ProbeError extends CodedError<{ readonly code: "BadPort" | "NoAddress" | "NoHandler" | "BadAnswer" }> {}
