import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { mqttUpload } from "@kedge/protocol";
import { BUILTIN_FILTERS, dispatchTopic } from "./dispatch-topic.ts";
import { isTopic, isTopicFilter, matchesFilter } from "./topic-filter.ts";

interface Vector {
  readonly topic: string;
  readonly matchedByBuiltinSubscription: string | null;
  readonly ifReceived: { readonly targetGroup: "twin" | "hub"; readonly route: object };
}

const file = path.join(import.meta.dirname, "../../../../test/vectors/eventbus-routing.json");
const { vectors } = JSON.parse(readFileSync(file, "utf8")) as { vectors: Vector[] };
for (const { topic, matchedByBuiltinSubscription, ifReceived } of vectors)
  test(`vector: ${topic}`, () => {
    const matched = BUILTIN_FILTERS.find((filter) => matchesFilter(filter, topic));
    assert.equal(matched ?? null, matchedByBuiltinSubscription);
    assert.equal(dispatchTopic(topic), ifReceived.targetGroup);
    if (ifReceived.targetGroup === "hub") assert.deepEqual(mqttUpload(topic, "x").route, ifReceived.route);
  });

const cases: [filter: string, topic: string, matches: boolean][] = [
  ["a/b", "a/b", true],
  ["a/b", "a/b/c", false],
  ["a/+", "a/b", true],
  ["a/+", "a/", true],
  ["a/+", "a", false],
  ["a/#", "a", true],
  ["a/#", "a/b/c", true],
  ["#", "a/b", true],
  ["#", "$SYS/x", false],
  ["+/x", "$hw/x", false],
  ["$hw/#", "$hw/x", true],
  ["/+", "/a", true],
  ["+", "/a", false],
];
for (const [filter, topic, matches] of cases)
  test(`${filter} ${matches ? "receives" : "does not receive"} ${topic}`, () =>
    assert.equal(matchesFilter(filter, topic), matches));

test("tells topics and filters from what is none", () => {
  for (const topic of ["a", "/", "$hw/x", "a b/c"]) assert.ok(isTopic(topic) && isTopicFilter(topic), topic);
  for (const topic of ["", "a/+", "#", "a\0", "x".repeat(65_536)]) assert.ok(!isTopic(topic), topic.slice(0, 9));
  for (const filter of ["", "a/#/b", "a#", "a/b+", "+a", "a\0"]) assert.ok(!isTopicFilter(filter), filter);
  for (const filter of ["+", "#", "a/+/b", "a/#"]) assert.ok(isTopicFilter(filter), filter);
});
