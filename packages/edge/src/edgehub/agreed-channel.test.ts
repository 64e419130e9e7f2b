import assert from "node:assert/strict";
import { copyFileSync, rmSync } from "node:fs";
import { describe, test } from "node:test";
import { createEvent, KEDGE_CHANNEL_HEADER, type Message, newMessage, parseOffer, queryObject } from "@kedge/protocol";
import { hasCode } from "@kedge/runtime";
import { agreedBed, hubBed, hurry } from "./hub-bed.test-data.ts";
import { NUMBERED_IN_FLIGHT_MAX } from "./numbered-delivery.ts";
import { OUTBOX_EVENTS_MAX } from "./outbox.ts";
import { TestChannel } from "./test-channel.test-data.ts";

const query = () => queryObject("configmap", { namespace: "default", name: "cm1" });

function answer({ header, route }: Message): Message {
  const { resource = "" } = route;
  return newMessage({
    source: "edgecontroller",
    group: "resource",
    operation: "response",
    resource,
    content: "OK",
    parentId: header.msg_id,
  });
}

const event = (n: number) =>
  createEvent({ metadata: { namespace: "default", name: `e${n}` }, involvedObject: {} } as never);

const contents = (messages: readonly { content: unknown }[]) => messages.map(({ content }) => content);

describe("agreeing", () => {
  test("offers what a cloud of ours needs to know, and a stock cloud does not mind", async () => {
    await using bed = await hubBed();
    await bed.start();
    await bed.connected.promise;
    const offer = parseOffer(bed.cloud.linkRequests[0]?.headers[KEDGE_CHANNEL_HEADER.toLowerCase()]);
    assert.match(offer?.stream ?? "", /^[0-9a-f-]{36}$/);
    assert.equal(offer?.sent, 0);
    assert.equal(bed.agreed, false);
    await bed.upload("one");
    await bed.cloud.message("upload", "topic");
    assert.ok(
      bed.cloud.received.every(({ header }) => header.seq === undefined),
      "no numbers for a stock cloud",
    );
  });

  test("tells the agent that the cloud is ours", async () => {
    await using bed = await agreedBed();
    await bed.start();
    await bed.connected.promise;
    assert.equal(bed.agreed, true);
  });
});

describe("upstream, numbered", () => {
  test("W36: nothing leaves the disk before the cloud has done it", async () => {
    await using bed = await agreedBed();
    hurry(bed);
    bed.channel.atOnce = false;
    await bed.start();
    for (const n of ["1", "2", "3"]) await bed.upload(n);
    await bed.channel.until(() => bed.channel.waiting.length === 3);
    assert.deepEqual(bed.channel.waiting, [1, 2, 3]);
    assert.deepEqual(bed.waiting(), [1, 2, 3]);
    bed.channel.work(2);
    await bed.cloud.until(() => bed.waiting().length === 1); // looked at with every keepalive
    assert.deepEqual(bed.waiting(), [3]);
  });

  test("W36: goes on where the cloud is when the link is back, and nothing is done twice", async () => {
    await using bed = await agreedBed();
    bed.channel.atOnce = false;
    await bed.start();
    for (const n of ["1", "2", "3", "4"]) await bed.upload(n);
    await bed.channel.until(() => bed.channel.waiting.length === 4);
    bed.channel.work(2, { tell: false }); // done, and the edge does not hear of it
    bed.cloud.link.terminate("cut");
    await bed.channel.until(() => bed.channel.offers.length === 2 && bed.channel.waiting.join() === "3,4");
    bed.channel.work();
    assert.deepEqual(contents(bed.channel.effects), ["1", "2", "3", "4"]);
    const [first, second] = bed.channel.offers;
    assert.equal(second?.stream, first?.stream);
    assert.equal(second?.sent, 4);
  });

  test("many are on their way at once, but not without bound, and questions do not wait for them", async () => {
    await using bed = await agreedBed();
    bed.channel.atOnce = false;
    bed.cloud.onMessage = (message, link) => {
      if (message.route.operation === "query") void link.send(answer(message));
    };
    await bed.start();
    await bed.connected.promise;
    const total = NUMBERED_IN_FLIGHT_MAX + 50;
    await Promise.all(Array.from({ length: total }, (_, n) => bed.upload(String(n))));
    await bed.channel.until(() => bed.channel.waiting.length === NUMBERED_IN_FLIGHT_MAX);
    assert.equal((await bed.request(query())).content, "OK");
    assert.equal(bed.channel.waiting.length, NUMBERED_IN_FLIGHT_MAX);
    bed.channel.work();
    await bed.channel.until(() => bed.channel.waiting.length === 50);
  });

  test("a restart in doubt keeps the stream; a cloud that forgot gets all again, and is told so", async () => {
    await using bed = await agreedBed();
    bed.channel.atOnce = false;
    await bed.start();
    for (const n of ["1", "2"]) await bed.upload(n);
    await bed.channel.until(() => bed.channel.waiting.length === 2);
    await bed.reopen();
    bed.channel.applied.clear();
    await bed.start();
    await bed.channel.until(() => bed.channel.offers.length === 2 && bed.channel.waiting.length === 2);
    const [first, second] = bed.channel.offers;
    assert.equal(second?.stream, first?.stream);
    assert.equal(second?.sent, 2);
  });

  test("what was accepted while the cloud was away is new to it: a new stream, nothing sent", async () => {
    await using bed = await agreedBed();
    await bed.start();
    await bed.connected.promise;
    await bed.cloud.close();
    await bed.disconnected.promise;
    await bed.upload("1");
    await bed.cloud.open();
    await bed.channel.until(() => bed.channel.effects.length === 1);
    const [first, second] = bed.channel.offers;
    assert.notEqual(second?.stream, first?.stream);
    assert.equal(second?.sent, 0);
  });

  for (const { when, inDoubt } of [
    { when: "nothing was in doubt", inDoubt: [] },
    { when: "something was in doubt", inDoubt: ["a", "b"] },
  ])
    test(`a database put back from a backup in which ${when} loses nothing: its numbers name other messages now`, async () => {
      await using bed = await agreedBed();
      const backup = `${bed.dbPath}.backup`;
      bed.channel.atOnce = false;
      await bed.start();
      await bed.connected.promise;
      for (const content of inDoubt) await bed.upload(content);
      await bed.channel.until(() => bed.channel.waiting.length === inDoubt.length);
      await bed.reopen(() => copyFileSync(bed.dbPath, backup));
      bed.channel.atOnce = true;
      await bed.start();
      for (const content of ["lost 1", "lost 2", "lost 3"]) await bed.upload(content);
      await bed.channel.until(() => bed.channel.effects.length === 3 + inDoubt.length);
      await bed.reopen(() => {
        for (const suffix of ["-wal", "-shm"]) rmSync(bed.dbPath + suffix, { force: true });
        copyFileSync(backup, bed.dbPath);
      });
      await bed.cloud.close();
      await bed.start();
      for (const content of ["new 1", "new 2"]) await bed.upload(content);
      await bed.cloud.open();
      await bed.channel.until(() => contents(bed.channel.effects).includes("new 2"));
      const lost = ["lost 1", "lost 2", "lost 3"];
      assert.deepEqual(contents(bed.channel.effects), [...inDoubt, ...lost, "new 1", "new 2"]);
    });

  test("an old watermark says nothing new, and one beyond what was sent loses nothing", async () => {
    await using bed = await agreedBed();
    bed.channel.atOnce = false;
    await bed.start();
    for (const n of ["1", "2", "3"]) await bed.upload(n);
    await bed.channel.until(() => bed.channel.waiting.length === 3);
    bed.channel.work(2);
    bed.channel.say(1, bed.cloud.link);
    bed.channel.say(2, bed.cloud.link);
    bed.channel.say(7, bed.cloud.link);
    await bed.channel.until(() => bed.channel.offers.length === 2);
    await bed.channel.until(() => bed.channel.waiting.length > 0);
    assert.notEqual(bed.channel.offers[1]?.stream, bed.channel.offers[0]?.stream);
    assert.deepEqual(bed.channel.waiting, [3]);
  });

  test("what a stock cloud may have had is offered as such to ours", async () => {
    await using bed = await hubBed();
    await bed.start();
    await bed.connected.promise;
    bed.cloud.onMessage = (_message, link) => link.terminate("before it says that it read it");
    await bed.upload("1");
    await bed.disconnected.promise;
    const channel = new TestChannel();
    bed.cloud.channel = channel;
    bed.cloud.onMessage = () => undefined;
    await channel.until(() => channel.effects.length === 1);
    assert.equal(channel.offers.at(-1)?.sent, 1);
  });

  test("events that were dropped for want of room leave gaps that nobody waits for", async () => {
    await using bed = await agreedBed();
    hurry(bed);
    bed.channel.atOnce = false;
    await bed.start();
    await bed.connected.promise;
    const events = Array.from({ length: OUTBOX_EVENTS_MAX + 400 }, (_, n) =>
      bed.bus.request("hub/send", event(n), bed.signal),
    );
    await Promise.all(events); // some of those that were dropped are on their way, others never will be
    await bed.upload("last");
    bed.channel.atOnce = true;
    bed.channel.work();
    await bed.channel.until(() => contents(bed.channel.effects).includes("last"));
    await bed.cloud.until(() => bed.waiting().length === 0);
    const numbers = bed.channel.effects.map(({ header }) => header.seq ?? 0);
    assert.ok(numbers.length < OUTBOX_EVENTS_MAX + 401, "some never came");
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    );
  });

  test("a full disk refuses what is new, and what was accepted goes on its way and makes room", async () => {
    await using bed = await agreedBed();
    hurry(bed);
    await bed.cloud.close();
    await bed.start();
    const pages = Number(bed.db.prepare("PRAGMA page_count").get()?.["page_count"]);
    bed.db.exec(`PRAGMA max_page_count = ${pages + 20}`);
    let accepted = 0;
    await assert.rejects(
      async () => {
        for (; ; accepted += 1) await bed.upload("x".repeat(3_000));
      },
      (error) => hasCode(error, "QueueFull") && /the disk is full/.test(error.message),
    );
    assert.equal(bed.waiting().length, accepted);
    await bed.cloud.open();
    await bed.channel.until(() => bed.channel.effects.length === accepted);
    await bed.cloud.until(() => bed.waiting().length === 0);
    await bed.upload("there is room again");
    assert.equal(bed.cloud.links.length, 1);
  });
});
