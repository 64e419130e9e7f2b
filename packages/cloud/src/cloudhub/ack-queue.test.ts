import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Message, newMessage } from "@kedge/protocol";
import { AckQueue, Lane } from "./ack-queue.ts";

const say = (operation: string, version?: string, uid: string | undefined = "u1"): Message =>
  newMessage({
    source: "edgecontroller",
    group: "resource",
    operation,
    resource: "default/pod/x",
    content: { metadata: { name: "x", ...(uid !== "" && { uid }) } },
    ...(version !== undefined && { resourceVersion: version }),
  });

function laneOf(...messages: Message[]): string[] {
  const lane = new Lane("x");
  for (const message of messages) lane.offer(message);
  return drain(lane);
}

function drain(lane: Lane): string[] {
  const said: string[] = [];
  for (let head = lane.head; head !== undefined; head = lane.head) {
    said.push(`${head.route.operation} ${head.header.resourceversion ?? ""}`.trim());
    lane.shift();
  }
  return said;
}

test("of several states only the newest waits, in whichever order they come", () => {
  assert.deepEqual(laneOf(say("insert", "1"), say("update", "3"), say("update", "2")), ["update 3"]);
  assert.deepEqual(laneOf(say("update", "9"), say("update", "10")), ["update 10"]);
});

test("a deletion replaces what waits, and nothing of that incarnation comes after it", () => {
  assert.deepEqual(laneOf(say("update", "5"), say("delete", "6"), say("update", "7"), say("delete", "6")), [
    "delete 6",
  ]);
});

test("an object created anew waits behind the deletion of the old one", () => {
  assert.deepEqual(laneOf(say("delete", "6"), say("insert", "7", "u2"), say("update", "8", "u2")), [
    "delete 6",
    "update 8",
  ]);
});

test("what is under way is not replaced, but known to be outdated", () => {
  const lane = new Lane("x");
  lane.offer(say("update", "1"));
  lane.sent = true;
  assert.equal(lane.superseded, false);
  lane.offer(say("update", "2"));
  lane.offer(say("update", "3"));
  assert.equal(lane.superseded, true);
  assert.deepEqual(drain(lane), ["update 1", "update 3"]);
});

test("a deletion under way is never outdated", () => {
  const lane = new Lane("x");
  lane.offer(say("delete", "1"));
  lane.sent = true;
  lane.offer(say("insert", "2", "u2"));
  assert.equal(lane.superseded, false);
});

test("answers are for their askers: they neither replace nor are replaced", () => {
  assert.deepEqual(laneOf(say("update", "5"), say("response", "5"), say("update", "6")), [
    "update 5",
    "response 5",
    "update 6",
  ]);
});

test("W18: objects without UID are kept apart by name, and without version the last one said counts", () => {
  const queue = new AckQueue();
  const ghost = (name: string): Message => ({
    ...say("delete", undefined, ""),
    route: { operation: "delete", resource: `default/pod/${name}` },
  });
  assert.notEqual(queue.offer(ghost("a")), queue.offer(ghost("b")));
  assert.equal(queue.size, 2);
  assert.deepEqual(laneOf(say("update", undefined, ""), say("update", undefined, "")), ["update"]);
});

test("W27: a version that is no number is said, not compared", () => {
  assert.deepEqual(laneOf(say("update", "abc"), say("update", "5"), say("update", "xyz")), ["update xyz"]);
});

test("whatever is offered while nothing is sent: each run of one incarnation says one thing, and the lane stays small", () => {
  const step = fc.record({
    operation: fc.constantFrom("insert", "update", "delete"),
    version: fc.integer({ min: 1, max: 50 }),
    uid: fc.constantFrom("a", "b"),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const lane = new Lane("x");
      for (const { operation, version, uid } of steps) lane.offer(say(operation, String(version), uid));
      assert.ok(lane.length <= 16);
      let before: unknown;
      for (let { head } = lane; head !== undefined; { head } = lane) {
        const { uid } = (head.content as { metadata: { uid: string } }).metadata;
        assert.notEqual(uid, before, "two states of one incarnation wait one after the other");
        before = uid;
        lane.shift();
      }
    }),
  );
});
