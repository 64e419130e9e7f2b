import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bucketOf, DIGEST_TYPES, differingBuckets, digestOf, digestRoot, type HeldObject } from "./digest.ts";
import { digestAnswer, digestQuestion, readDigestAnswer, readDigestQuestion } from "./digest-messages.ts";
import { decodeMessage, encodeMessage } from "./message-codec.ts";
import { newMessage } from "./message.ts";
import { ProtocolError } from "./protocol-error.ts";
import { requiresAck } from "./requires-ack.ts";

const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
const heldObject: fc.Arbitrary<HeldObject> = fc.record(
  { type: fc.constantFrom(...DIGEST_TYPES), namespace: word, name: word, uid: word, version: fc.nat().map(String) },
  { requiredKeys: ["type", "name", "uid", "version"], noNullPrototype: true },
);
const heldObjects = fc.uniqueArray(heldObject, {
  selector: ({ type, namespace, name }) => `${type}/${namespace ?? ""}/${name}`,
  maxLength: 60,
});

test("a digest does not depend on the order of objects", () => {
  fc.assert(fc.property(heldObjects, (held) => assert.deepEqual(digestOf(held.toReversed()), digestOf(held))));
});

test("whatever changes in one object shows in its bucket, and in no other", () => {
  fc.assert(
    fc.property(heldObjects, heldObject, fc.constantFrom("gone", "version", "uid"), (others, object, change) => {
      const same = (other: HeldObject) =>
        other.type === object.type && other.namespace === object.namespace && other.name === object.name;
      const rest = others.filter((other) => !same(other));
      const after = change === "gone" ? [] : [{ ...object, [change]: `${object[change as "version" | "uid"]}x` }];
      const [one, two] = [digestOf([...rest, object]), digestOf([...rest, ...after])];
      assert.deepEqual(differingBuckets(one.buckets, two.buckets), [bucketOf(object)]);
      assert.notEqual(digestRoot(one), digestRoot(two));
    }),
  );
});

test("questions and answers arrive as they were sent, and nobody acknowledges them", () => {
  fc.assert(
    fc.property(heldObjects, (held) => {
      const list = digestQuestion({ buckets: [0, 63], held, more: true });
      assert.deepEqual(readDigestQuestion(decodeMessage(encodeMessage(list))), { buckets: [0, 63], held, more: true });
      const root = digestQuestion({ root: digestRoot(digestOf(held)) });
      assert.deepEqual(readDigestQuestion(root), { root: digestRoot(digestOf(held)) });
      const answer = digestAnswer("edge-1", root, { buckets: digestOf(held).buckets });
      assert.deepEqual(readDigestAnswer(decodeMessage(encodeMessage(answer))), { buckets: digestOf(held).buckets });
      assert.equal(requiresAck(answer), false);
    }),
  );
});

test("a root costs bytes, not objects", () => {
  const held = Array.from({ length: 1_000 }, (_, at) => ({
    type: "pod",
    namespace: "default",
    name: `pod-${at}`,
    uid: `${at}`,
    version: "1",
  }));
  assert.ok(encodeMessage(digestQuestion({ root: digestRoot(digestOf(held)) })).length < 300);
});

const nonsense: unknown[] = [
  null,
  "x",
  [],
  {},
  { root: "x".repeat(65) },
  { buckets: [64], held: [] },
  { buckets: [0.5], held: [] },
  { buckets: [0], held: {} },
  { buckets: [0], held: [{ type: "pod" }] },
  { buckets: [0], held: [{ type: "lease", name: "a", uid: "u", version: "1" }] },
  { buckets: [0], held: [{ type: "pod", namespace: "", name: "a", uid: "u", version: "1" }] },
  { buckets: [0], held: [{ type: "pod", name: "x".repeat(513), uid: "u", version: "1" }] },
  { buckets: [0], held: Array.from({ length: 1_001 }, () => ({ type: "pod", name: "a", uid: "u", version: "1" })) },
];
for (const content of nonsense)
  test(`${JSON.stringify(content).slice(0, 60)} is no question`, () => {
    const message = newMessage({ source: "", group: "hub", operation: "digest", resource: "kedge/digest", content });
    assert.throws(() => readDigestQuestion(message), ProtocolError);
    assert.throws(() => readDigestAnswer(message), ProtocolError);
  });
