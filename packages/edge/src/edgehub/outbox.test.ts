import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createEvent, encodeMessage, type Message, MESSAGE_BYTES_MAX, mqttUpload } from "@kedge/protocol";
import { hasCode, silentLogger } from "@kedge/runtime";
import { GroupCommit, openDatabase } from "@kedge/sqlite";
import { numbered, Outbox, OUTBOX_EVENTS_MAX, OUTBOX_MESSAGES_MAX } from "./outbox.ts";

function openOutbox(path = ":memory:") {
  const db = openDatabase({ path });
  const commits = new GroupCommit(db, { pendingMax: 50_000 });
  return {
    db,
    outbox: new Outbox(db, commits, silentLogger),
    [Symbol.dispose]() {
      commits[Symbol.dispose]();
      db.close();
    },
  };
}

const event = (n: number) =>
  createEvent({ metadata: { namespace: "default", name: `e${n}` }, involvedObject: {} } as never);

function all(outbox: Outbox): Message[] {
  const messages: Message[] = [];
  for (let page = outbox.after(0); page.length > 0; page = outbox.after(page.at(-1)?.seq ?? 0))
    messages.push(...page.map(({ message }) => message));
  return messages;
}

test("gives back what was accepted, in order, page by page, until it is confirmed", async () => {
  using bed = openOutbox();
  const messages = Array.from({ length: 100 }, (_, n) => mqttUpload("t", String(n)));
  await Promise.all(messages.map((message) => bed.outbox.add(message)));
  assert.deepEqual(
    all(bed.outbox).map(({ content }) => content),
    messages.map(({ content }) => content),
  );
  await bed.outbox.removeUpTo(bed.outbox.after(0)[9]?.seq ?? 0);
  assert.equal(bed.outbox.waiting, 90);
  assert.equal(all(bed.outbox)[0]?.content, "10");
});

test("a message that is sent again by its component waits only once", async () => {
  using bed = openOutbox();
  const message = mqttUpload("t", "1");
  await bed.outbox.add(message);
  await bed.outbox.add(message);
  assert.equal(bed.outbox.waiting, 1);
});

test("a message that the disk has changed is passed over and dropped; those behind it go on", async () => {
  using bed = openOutbox();
  for (let n = 0; n < 70; n += 1) await bed.outbox.add(mqttUpload("t", String(n)));
  bed.db.exec("UPDATE kedge_outbox SET message = '{\"header' WHERE seq BETWEEN 2 AND 69");
  assert.deepEqual(
    all(bed.outbox).map(({ content }) => content),
    ["0", "69"],
  );
  await bed.outbox.removeUpTo(0); // after what was asked for before
  assert.equal(bed.outbox.waiting, 2);
});

test("of events the oldest go", async () => {
  using bed = openOutbox();
  const events = Array.from({ length: OUTBOX_EVENTS_MAX + 5 }, (_, n) => event(n));
  await Promise.all(events.map((message) => bed.outbox.add(message)));
  assert.equal(bed.outbox.waiting, OUTBOX_EVENTS_MAX);
  assert.equal(all(bed.outbox)[0]?.route.resource, "default/event/e5");
});

test("W-03: reports are refused when the outbox is full, after events have made room", async () => {
  using bed = openOutbox();
  const { outbox } = bed;
  await outbox.add(event(1));
  const reports = Array.from({ length: OUTBOX_MESSAGES_MAX }, (_, n) => mqttUpload("t", String(n)));
  await Promise.all(reports.map((message) => outbox.add(message)));
  assert.equal(outbox.waiting, OUTBOX_MESSAGES_MAX);
  assert.ok(all(outbox).every(({ route }) => route.operation === "upload"));
  await assert.rejects(outbox.add(mqttUpload("t", "x")), (error) => hasCode(error, "QueueFull"));
  await assert.rejects(outbox.add(event(2)), (error) => hasCode(error, "QueueFull"));
  await outbox.removeUpTo(outbox.after(0)[0]?.seq ?? 0);
  await outbox.add(mqttUpload("t", "x"));
});

test("W-04: holds the same as a plain list would, whatever happens to it", async () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant("add" as const), again: fc.boolean() }) },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant("confirm" as const),
          share: fc.double({ min: 0, max: 1, noNaN: true }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const) }) },
    ),
    { maxLength: 40 },
  );
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      using bed = openOutbox();
      const commits = new GroupCommit(bed.db);
      let { outbox } = bed;
      const model: { seq: number; content: unknown; message: Message }[] = [];
      for (const step of script) {
        if (step.kind === "reopen") outbox = new Outbox(bed.db, commits, silentLogger);
        else if (step.kind === "confirm") {
          const upTo = model[Math.floor(step.share * (model.length - 1))]?.seq ?? 0;
          await outbox.removeUpTo(upTo);
          model.splice(0, model.filter(({ seq }) => seq <= upTo).length);
        } else {
          const old = step.again ? model.at(-1)?.message : undefined;
          const message = old ?? mqttUpload("t", String(Math.random()));
          await outbox.add(message);
          if (old === undefined) {
            const seq = outbox.after(model.at(-1)?.seq ?? 0)[0]?.seq ?? 0;
            model.push({ seq, content: message.content, message });
          }
        }
        assert.equal(outbox.waiting, model.length);
        assert.deepEqual(
          all(outbox).map(({ content }) => content),
          model.map(({ content }) => content),
        );
      }
    }),
    { numRuns: 50 },
  );
});

test("a message that would be too large with its number is refused: it would end each link", async () => {
  using bed = openOutbox();
  const free = MESSAGE_BYTES_MAX - Buffer.byteLength(encodeMessage(mqttUpload("t", "")));
  const largest = mqttUpload("t", "x".repeat(free));
  encodeMessage(largest);
  await assert.rejects(bed.outbox.add(largest), (error) => hasCode(error, "MessageTooLarge"));
  await bed.outbox.add(mqttUpload("t", "x".repeat(free - 64)));
  const [entry] = bed.outbox.after(0);
  assert.ok(entry !== undefined);
  encodeMessage(numbered(entry.message, Number.MAX_SAFE_INTEGER));
});

test("a disk that takes nothing does not fail the verdict on a cloud that knows of more", async () => {
  using bed = openOutbox();
  await bed.outbox.add(mqttUpload("t", "1"));
  const { stream } = bed.outbox.offer();
  await bed.outbox.markSent(1);
  bed.db.exec("CREATE TRIGGER broken BEFORE DELETE ON kedge_outbox BEGIN SELECT RAISE(FAIL, 'disk I/O error'); END");
  assert.equal(await bed.outbox.trusts(5), false);
  assert.notEqual(bed.outbox.offer().stream, stream);
  assert.equal(bed.outbox.waiting, 1);
});

test("what was sent under a name that was given up is told as such: it may come again", async () => {
  using bed = openOutbox();
  for (let n = 0; n < 3; n += 1) await bed.outbox.add(mqttUpload("t", String(n)));
  const { stream } = bed.outbox.offer();
  await bed.outbox.markSent(2);
  bed.outbox.giveUpStream();
  const offer = bed.outbox.offer();
  assert.notEqual(offer.stream, stream);
  assert.equal(offer.sent, 2);
});
