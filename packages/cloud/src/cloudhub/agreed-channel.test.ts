import assert from "node:assert/strict";
import { test } from "node:test";
import type { ControlFrame, Message } from "@kedge/protocol";
import { deferred, systemClock } from "@kedge/runtime";
import type { WebSocketLink } from "@kedge/transport";
import { AgreedChannel } from "./agreed-channel.ts";
import { Inbox } from "./inbox.ts";

const numbered = (seq: number): Message => ({
  header: { msg_id: String(seq), timestamp: 1, seq },
  route: {},
  content: 1,
});

test("how far we are is told again if the link was too full for it: the node sends nothing more until it knows", async () => {
  const told: number[] = [];
  const heard = deferred();
  let full = true;
  const link = {
    open: true,
    sendControl: (frame: ControlFrame) => {
      if (full) {
        full = false;
        return Promise.reject(new Error("full"));
      }
      if (frame.kind === "applied") told.push(frame.upTo);
      heard.resolve();
      return Promise.resolve();
    },
  } as unknown as WebSocketLink;
  const channel = new AgreedChannel({ stream: "s", sent: 0 }, new Inbox("s"), link, systemClock);
  const work = {};
  assert.ok(channel.receive(numbered(1), work));
  channel.done(numbered(1), work);
  await heard.promise;
  assert.deepEqual(told, [1]);
  channel.close();
});
