import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Inbox } from "./inbox.ts";
import { Inboxes } from "./inboxes.ts";

test("the watermark is below the first message that is not done, whatever is done after it", () => {
  const inbox = new Inbox("s");
  const [one, three, four] = [{}, {}, {}];
  assert.equal(inbox.applied, 0);
  assert.equal(inbox.receive(1, one), "new");
  assert.equal(inbox.receive(3, three), "new"); // 2 never comes
  assert.equal(inbox.receive(4, four), "new");
  inbox.done(3, three);
  assert.equal(inbox.applied, 0);
  inbox.done(1, one);
  assert.equal(inbox.applied, 3);
  inbox.done(4, four);
  assert.equal(inbox.applied, 4);
});

test("what was done is known when it comes again, also beyond the watermark", () => {
  const inbox = new Inbox("s");
  const [one, two] = [{}, {}];
  inbox.receive(1, one);
  inbox.receive(2, two);
  inbox.done(2, two);
  inbox.giveUp();
  assert.equal(inbox.done(1, one), false, "work that was given up counts no more");
  const again = {};
  assert.equal(inbox.receive(1, again), "new");
  assert.equal(inbox.receive(1, {}), "underway");
  assert.equal(inbox.receive(2, {}), "done");
  inbox.done(1, again);
  assert.equal(inbox.applied, 2);
});

test("what the node has dropped meanwhile holds up nothing", () => {
  const inbox = new Inbox("s");
  inbox.receive(1, {});
  inbox.receive(2, {});
  inbox.giveUp();
  const three = {};
  inbox.receive(3, three); // 1 and 2 were events, too old by now
  inbox.done(3, three);
  assert.equal(inbox.applied, 3);
});

test("a stream that was elsewhere meanwhile is not known any more: its numbers may be others'", () => {
  const inboxes = new Inboxes();
  const begin = (link: string, sent: number, after?: string) => {
    const offer = { stream: "s", sent, link, after };
    const { applied } = inboxes.of("n", offer); // what the node is told
    const inbox = inboxes.of("n", offer);
    inbox.open(link);
    return { applied, inbox };
  };
  const carry = (inbox: Inbox, number: number) => {
    const work = {};
    assert.equal(inbox.receive(number, work), "new");
    inbox.done(number, work);
  };
  carry(begin("l1", 0).inbox, 5);
  assert.equal(begin("l2", 5, "l1").applied, 5, "goes on after the link that carried it");
  assert.equal(begin("l3", 5, "l1").applied, 5, "l2 has carried nothing");
  assert.equal(begin("l4", 7, "l3").applied, 5, "l3 has carried what never came");
  carry(begin("l5", 7, "l4").inbox, 8);
  assert.equal(begin("l6", 9, "b1").applied, 0, "b1 was elsewhere");
  carry(begin("l7", 9, "b1").inbox, 6);
  assert.equal(begin("l8", 9, "l5").applied, 0, "put back to when l5 carried it");
  assert.equal(begin("l9", 9).applied, 0);
});

test("a node put back as it was gives numbers to other messages: what is beyond the watermark is new", () => {
  const inboxes = new Inboxes();
  const inbox = inboxes.of("n", { stream: "s", sent: 0 });
  const works = [1, 2, 3, 4].map((number) => ({ number, work: {} }));
  for (const { number, work } of works) inbox.receive(number, work);
  for (const { number, work } of works) if (number !== 2) inbox.done(number, work);
  inbox.giveUp();
  assert.equal(inboxes.of("n", { stream: "s", sent: 4 }), inbox, "the node knows of all that came");
  const back = inboxes.of("n", { stream: "s", sent: 3 });
  assert.equal(back.applied, 1);
  assert.equal(back.receive(2, {}), "new");
  assert.equal(back.receive(4, {}), "new", "4 is another message now");
});

test("a database older than the watermark is told so", () => {
  const inboxes = new Inboxes();
  const inbox = inboxes.of("n", { stream: "s", sent: 0 });
  const work = {};
  inbox.receive(7, work);
  inbox.done(7, work);
  assert.equal(inboxes.of("n", { stream: "s", sent: 5 }).applied, 7);
});

test("whatever the links do, all is done once, in the end, and nothing counts as done before it is", () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.constant("receive" as const) },
    { weight: 4, arbitrary: fc.constant("done" as const) },
    { weight: 1, arbitrary: fc.constant("reconnect" as const) },
  );
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 60 }), fc.infiniteStream(step), (gaps, steps) => {
      const numbers: number[] = [];
      for (const gap of gaps) numbers.push((numbers.at(-1) ?? 0) + gap);
      const inbox = new Inbox("s");
      const counted = new Set<number>();
      let working: { number: number; work: object }[] = [];
      let next = 0; // of what the node's link still carries
      for (const action of steps) {
        if (inbox.applied === (numbers.at(-1) ?? 0)) break;
        const number = numbers[next];
        if (action === "receive" && number !== undefined) {
          next += 1;
          const work = {};
          const receipt = inbox.receive(number, work);
          if (receipt === "new") working.push({ number, work });
          assert.equal(receipt === "done", counted.has(number));
        } else if (action === "done" && working.length > 0) {
          const [ended] = working.splice(Math.floor(working.length / 2), 1);
          if (ended !== undefined && inbox.done(ended.number, ended.work)) {
            assert.ok(!counted.has(ended.number));
            counted.add(ended.number);
          }
        } else if (action === "reconnect") {
          inbox.giveUp();
          working = [];
          next = numbers.findIndex((candidate) => candidate > inbox.applied);
        }
        for (const each of numbers) assert.ok(each > inbox.applied || counted.has(each));
      }
    }),
    { numRuns: 200 },
  );
});
