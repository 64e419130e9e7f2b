import { KubeApiError, type KubeObject, type ObjectKey } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import type { Message } from "@kedge/protocol";
import type { Logger } from "@kedge/runtime";
import type { ClusterView } from "./cluster-view.ts";

/** What a node asks for. */
export interface UpstreamRequest {
  readonly node: string;
  readonly message: Message;
  readonly operation: string;
  /** As on the wire: `pod`, `podpatch`, … */
  readonly type: string;
  /** The name is empty in lists. */
  readonly key: ObjectKey;
  readonly content: unknown;
  /** It may have been done before. */
  readonly repeated: boolean;
}

export interface UpstreamDeps {
  readonly kube: KubeClient;
  readonly view: ClusterView;
  readonly logger: Logger;
  /** Queues a message for a node. */
  readonly send: (message: Message) => void;
  /** This instance's address, as nodes know it. */
  readonly address: string;
}

/**
 * How the answer looks:
 * `object`: ObjectResp; `versioned`: the same, with the object's version in the header; `bare`: the object itself;
 * `ok`: `"OK"`; `none`: nobody waits for one, or `run` sends its own.
 */
export type AnswerShape = "object" | "versioned" | "bare" | "ok" | "none";

/** One row of the protocol's catalogue. */
export interface UpstreamHandler {
  /** What a node may do here; `run` refuses the rest with {@link forbidden}. The rows together are the table of all rights. */
  readonly may: string;
  readonly answer: AnswerShape;
  /** @returns the object to answer with. @throws whatever the edge shall be told. */
  readonly run: (request: UpstreamRequest, deps: UpstreamDeps, signal: AbortSignal) => Promise<KubeObject | undefined>;
}

/** What a node may not do. Told to the edge, and to our log. */
export function forbidden(message: string): KubeApiError {
  return new KubeApiError({ status: "Failure", reason: "Forbidden", code: 403, message });
}

/** What is not there, said as the API server says it: an edge acts on that. */
export function notFound(kind: string, name: string): KubeApiError {
  const message = `${kind} "${name}" not found`;
  return new KubeApiError({ status: "Failure", reason: "NotFound", code: 404, message, details: { kind, name } });
}

/** What makes no sense. */
export function badRequest(message: string): KubeApiError {
  return new KubeApiError({ status: "Failure", reason: "BadRequest", code: 400, message });
}

/** The content as an object of the API. @throws KubeApiError `BadRequest` */
export function objectContent<T extends KubeObject>({ content, type }: UpstreamRequest): T {
  if (typeof content !== "object" || content === null || Array.isArray(content))
    throw badRequest(`a message about ${type} must carry an object`);
  return content as T;
}

/** A patch arrives as JSON text. @throws KubeApiError `BadRequest` */
export function patchContent({ content, type }: UpstreamRequest): Record<string, unknown> {
  if (typeof content === "string") {
    try {
      const patch: unknown = JSON.parse(content);
      if (typeof patch === "object" && patch !== null && !Array.isArray(patch)) return patch as Record<string, unknown>;
    } catch {
      // Reported below.
    }
  }
  throw badRequest(`a message of type ${type} must carry a patch as JSON text`);
}

/** The object as it is to be written: what Go writes for an unset time does not count. */
export function withoutEmptyTimes<T extends KubeObject>(object: T): T {
  const metadata = { ...object.metadata } as Record<string, unknown>;
  if (metadata["creationTimestamp"] === null) delete metadata["creationTimestamp"];
  return { ...object, metadata };
}

/** As it goes back: without what only the API server needs. */
export function withoutManagedFields<T extends KubeObject>(object: T): T {
  if (object.metadata?.managedFields !== undefined) delete object.metadata.managedFields;
  return object;
}
