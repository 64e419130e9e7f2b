import { Group, OK, Operation, Source } from "./catalogue.ts";
import { DIGEST_BUCKETS, DIGEST_TYPES, type HeldObject } from "./digest.ts";
import { type Message, newMessage } from "./message.ts";
import { ProtocolError } from "./protocol-error.ts";
import { toNode } from "./resource-path.ts";

/**
 * The digest exchange, between our own ends only. The edge says its root; a cloud that differs answers with its buckets;
 * the edge lists what it holds in those that differ, and the cloud puts right what is wrong.
 */
export const DIGEST_RESOURCE = "kedge/digest";

/** Objects in one list; of more the rest is compared next time. 1,000 are about 100 KB. */
export const DIGEST_LIST_OBJECTS_MAX = 1_000;
const ROOT_CHARS_MAX = 64;
const TEXT_CHARS_MAX = 512;

export type DigestQuestion =
  | { readonly root: string }
  | {
      readonly buckets: readonly number[];
      readonly held: readonly HeldObject[];
      /** The list was cut: what is not in it may be held all the same. */
      readonly more?: boolean | undefined;
    };

/** `OK`, or the cloud's buckets as an answer to a root. */
export type DigestAnswer = typeof OK | { readonly buckets: readonly string[] };

export function digestQuestion(question: DigestQuestion): Message {
  return newMessage({
    source: Source.metaManager,
    group: Group.hub,
    operation: Operation.digest,
    resource: DIGEST_RESOURCE,
    content: question,
  });
}

export function digestAnswer(node: string, question: Message, content: DigestAnswer): Message {
  return newMessage({
    source: Source.cloudHub,
    group: Group.hub,
    operation: Operation.response,
    resource: toNode(node, DIGEST_RESOURCE),
    content,
    parentId: question.header.msg_id,
  });
}

/** @throws {ProtocolError} `InvalidContent` */
export function readDigestQuestion({ content }: Message): DigestQuestion {
  const { root, buckets, held, more } = asObject(content);
  if (typeof root === "string" && root.length <= ROOT_CHARS_MAX) return { root };
  if (!Array.isArray(buckets) || !buckets.every(isBucket) || buckets.length > DIGEST_BUCKETS) throw invalid();
  if (!Array.isArray(held) || held.length > DIGEST_LIST_OBJECTS_MAX) throw invalid();
  return { buckets, held: held.map(readHeld), ...(more === true && { more }) };
}

/** @throws {ProtocolError} `InvalidContent` */
export function readDigestAnswer({ content }: Message): DigestAnswer {
  if (content === OK) return OK;
  const { buckets } = asObject(content);
  if (!Array.isArray(buckets) || buckets.length !== DIGEST_BUCKETS || !buckets.every(isShortText)) throw invalid();
  return { buckets };
}

function readHeld(value: unknown): HeldObject {
  const { type, namespace, name, uid, version } = asObject(value);
  if (!isShortText(type) || !(DIGEST_TYPES as readonly string[]).includes(type)) throw invalid();
  if (!isShortText(name) || name === "" || !isShortText(uid) || !isShortText(version)) throw invalid();
  if (namespace !== undefined && (!isShortText(namespace) || namespace === "")) throw invalid();
  return { type, ...(namespace !== undefined && { namespace }), name, uid, version };
}

function isBucket(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < DIGEST_BUCKETS;
}

function isShortText(value: unknown): value is string {
  return typeof value === "string" && value.length <= TEXT_CHARS_MAX;
}

function asObject(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid();
  return value as Record<string, unknown>;
}

function invalid(): ProtocolError {
  return new ProtocolError("the peer sent a digest that makes no sense", {
    code: "InvalidContent",
    resource: DIGEST_RESOURCE,
  });
}
