import assert from "node:assert/strict";
import { test } from "node:test";
import { type Clock, type Logger, MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import type { EdgeMessages, EdgeNotices } from "../edge-messages.ts";
import { FailureLog } from "./failure-log.ts";
import { HubError } from "./hub-error.ts";

function bed() {
  const said: { facts: Record<string, unknown>; message: string }[] = [];
  const error = (facts: Record<string, unknown>, message: string) => void said.push({ facts, message });
  let nowMs = 0;
  const clock: Clock = { ...systemClock, monotonic: () => nowMs };
  const bus = new MessageBus<EdgeMessages, EdgeNotices>();
  const log = new FailureLog({ logger: { ...silentLogger, error } as Logger, bus, clock });
  const address = "cloud:10000";
  const refused = new HubError("nothing listens at cloud:10000", { code: "ConnectionRefused", address });
  const wrongName = new HubError("the certificate is for another name", { code: "WrongServerName", address });
  return { said, bus, log, refused, wrongName, pass: (ms: number) => void (nowMs += ms) };
}

test("the same failure is said once, then summed up ever more seldom", () => {
  const { said, log, refused, pass } = bed();
  for (let second = 0; second < 3600; second += 1) {
    log.tell(refused, 1000);
    pass(1000);
  }
  assert.equal(said[0]?.message, "nothing listens at cloud:10000");
  assert.deepEqual(
    said.slice(1).map(({ message, facts }) => [message, facts["sinceSeconds"], facts["times"]]),
    [60, 180, 420, 900, 1860].map((since, index, all) => [
      "still: nothing listens at cloud:10000",
      since,
      since - (all[index - 1] ?? 0),
    ]),
  );
});

test("another failure, or the same after a connection, is said at once", () => {
  const { said, log, refused, wrongName } = bed();
  for (const failure of [refused, wrongName, wrongName, refused]) log.tell(failure, 0);
  log.healed();
  log.tell(refused, 0);
  assert.deepEqual(
    said.map(({ facts }) => facts["code"]),
    ["ConnectionRefused", "WrongServerName", "ConnectionRefused", "ConnectionRefused"],
  );
});

test("each failure is told to who listens: cause, cure, and whether it heals by itself", () => {
  const { bus, log, refused } = bed();
  const told: unknown[] = [];
  using _ = bus.listen("hub/failure", (failure) => told.push(failure));
  log.tell(refused, 0);
  log.tell(new HubError("the token is malformed", { code: "TokenMalformed" }), 0);
  assert.deepEqual(told, [
    {
      code: "ConnectionRefused",
      message: "nothing listens at cloud:10000",
      fix: "check the address, and that cloudcore runs",
      lasting: false,
    },
    {
      code: "TokenMalformed",
      message: "the token is malformed",
      fix: "copy the join token whole, as `keadm gettoken` prints it",
      lasting: true,
    },
  ]);
});
