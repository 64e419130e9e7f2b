import { notAcceptable } from "./status-error.ts";

/** In which form the caller wants objects: as they are, as rows for people, or their metadata alone. */
export type Presentation = "Object" | "Table" | "PartialObjectMetadata";

export interface AcceptedForm {
  readonly as: Presentation;
  /** Of meta.k8s.io; `v1` for objects. */
  readonly version: string;
}

interface MediaRange {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Of an `Accept` header; the rest is not read. */
const ACCEPT_CHARS_MAX = 2048;
const PLAIN: AcceptedForm = { as: "Object", version: "v1" };

/** @throws KubeApiError `NotAcceptable`: none of the forms asked for is one of ours; JSON always is. */
export function negotiate(accept: string | undefined): AcceptedForm {
  const ranges = parseAccept(accept);
  if (ranges.length === 0) return PLAIN;
  for (const { type, parameters } of ranges) {
    if (type !== "application/json" && type !== "*/*" && type !== "application/*") continue;
    const { as, g, v = "v1" } = parameters;
    if (as === undefined) return PLAIN;
    if (g !== "meta.k8s.io" || (v !== "v1" && v !== "v1beta1")) continue;
    if (as === "Table") return { as, version: v };
    if (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList")
      return { as: "PartialObjectMetadata", version: v };
  }
  throw notAcceptable("application/json");
}

/** The ranges of an `Accept` header in the caller's order, which is how clients of Kubernetes say what they prefer. */
export function parseAccept(accept = ""): MediaRange[] {
  return accept
    .slice(0, ACCEPT_CHARS_MAX)
    .split(",")
    .map((range) => range.split(";").map((part) => part.trim()))
    .filter(([type]) => type !== undefined && type !== "")
    .map(([type = "", ...parameters]) => ({
      type: type.toLowerCase(),
      parameters: Object.fromEntries(parameters.map((parameter) => splitOnce(parameter))),
    }));
}

function splitOnce(parameter: string): [string, string] {
  const at = parameter.indexOf("=");
  return at === -1 ? [parameter, ""] : [parameter.slice(0, at), parameter.slice(at + 1)];
}
