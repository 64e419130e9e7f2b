import assert from "node:assert/strict";
import { mock, test, type TestContext } from "node:test";
import { type Message, newMessage } from "@kedge/protocol";
import { type Clock, silentLogger } from "@kedge/runtime";
import { ACK_TIMEOUT_MS, AckSender, IN_FLIGHT_MAX } from "./ack-sender.ts";

function setup(context: TestContext, prepare: (message: Message) => Promise<void> | undefined = () => undefined) {
  mock.timers.enable({ apis: ["setInterval"] });
  context.after(() => mock.timers.reset());
  let now = 0;
  const clock: Clock = { now: () => now, monotonic: () => now, sleep: () => Promise.reject(new Error("not used")) };
  const sent: Message[] = [];
  const acknowledged: Message[] = [];
  const sender = new AckSender({
    clock,
    logger: silentLogger,
    prepare,
    send: (message) => {
      sent.push(message);
      return Promise.resolve();
    },
    acknowledged: (message) => acknowledged.push(message),
    retried: () => undefined,
  });
  context.after(() => sender.stop());
  const pass = (ms: number) => {
    for (let passed = 0; passed < ms; passed += 500) {
      now += 500;
      mock.timers.tick(500);
    }
  };
  return { sender, sent, acknowledged, pass };
}

let version = 0;
const say = (name: string, operation = "update", uid = name): Message => {
  version += 1;
  return newMessage({
    source: "edgecontroller",
    group: "resource",
    operation,
    resource: `default/pod/${name}`,
    content: { apiVersion: "v1", kind: "Pod", metadata: { namespace: "default", name, uid } },
    resourceVersion: String(version),
  });
};
const ids = (messages: readonly Message[]) => messages.map(({ header }) => header.msg_id);

test("W25: sends at once, and keeps nothing once it is acknowledged", (context) => {
  const { sender, sent, acknowledged } = setup(context);
  const message = say("a");
  sender.offer(message);
  assert.deepEqual(ids(sent), [message.header.msg_id]);
  assert.equal(sender.size, 1);
  sender.acknowledge(message.header.msg_id);
  assert.deepEqual(acknowledged, [message]);
  assert.equal(sender.size, 0);
});

test("W15: a message that is never acknowledged holds up no other object", (context) => {
  const { sender, sent, pass } = setup(context);
  sender.offer(say("stuck"));
  pass(ACK_TIMEOUT_MS);
  const other = say("other");
  sender.offer(other);
  assert.equal(sent.at(-1), other);
});

test("repeats the same message every 5 s, five times, then less and less often", (context) => {
  const { sender, sent, pass } = setup(context);
  const message = say("a");
  sender.offer(message);
  pass(20_000);
  assert.equal(sent.length, 5);
  assert.equal(new Set(ids(sent)).size, 1);
  pass(60_000);
  const later = sent.length;
  assert.ok(later > 5 && later < 12, `${later} transmissions`);
  pass(60 * 60_000);
  assert.ok(sent.length - later <= 60, "at most one a minute in the long run");
});

test("only the newest state is repeated", (context) => {
  const { sender, sent, pass } = setup(context);
  sender.offer(say("a"));
  sender.offer(say("a"));
  const newest = say("a");
  sender.offer(newest);
  assert.equal(sent.length, 1, "one at a time for each object");
  pass(ACK_TIMEOUT_MS);
  assert.deepEqual(ids(sent.slice(1)), [newest.header.msg_id]);
});

test("the next state goes out with the acknowledgement of the one before", (context) => {
  const { sender, sent } = setup(context);
  const [first, second] = [say("a"), say("a")];
  sender.offer(first);
  sender.offer(second);
  sender.acknowledge(first.header.msg_id);
  assert.deepEqual(sent, [first, second]);
});

test("deletions are never overtaken: the object created anew waits for their acknowledgement", (context) => {
  const { sender, sent, pass } = setup(context);
  const gone = say("a", "delete", "old");
  const anew = say("a", "insert", "new");
  sender.offer(gone);
  sender.offer(anew);
  pass(30_000);
  assert.ok(ids(sent).every((id) => id === gone.header.msg_id));
  sender.acknowledge(gone.header.msg_id);
  assert.equal(sent.at(-1), anew);
});

test("at most a window of objects is under way", (context) => {
  const { sender, sent } = setup(context);
  const messages = Array.from({ length: IN_FLIGHT_MAX + 10 }, (_, at) => say(`p${at}`));
  for (const message of messages) sender.offer(message);
  assert.equal(sent.length, IN_FLIGHT_MAX);
  for (const { header } of messages.slice(0, 10)) sender.acknowledge(header.msg_id);
  assert.equal(sent.length, IN_FLIGHT_MAX + 10);
});

test("a window full of objects that an edge does not take still lets others through", (context) => {
  const { sender, sent, pass } = setup(context);
  for (let at = 0; at < IN_FLIGHT_MAX; at += 1) sender.offer(say(`stuck${at}`));
  const other = say("other");
  sender.offer(other);
  assert.ok(!sent.includes(other));
  pass(ACK_TIMEOUT_MS);
  assert.ok(sent.includes(other));
});

test("W16: an error of the edge is a reason to wait, not to repeat at once", (context) => {
  const { sender, sent, pass } = setup(context);
  const message = say("a");
  sender.offer(message);
  sender.refuse(message.header.msg_id, "disk full");
  pass(500);
  assert.equal(sent.length, 1);
  pass(1_000);
  assert.equal(sent.length, 2);
});

test("W17: an answer that nobody takes is dropped in the end", (context) => {
  const { sender, sent, pass } = setup(context);
  sender.offer(say("a", "response"));
  pass(60_000);
  assert.equal(sent.length, 5);
  assert.equal(sender.size, 0);
});

test("W17: sooner, if news about the object waits behind it", (context) => {
  const { sender, sent, pass } = setup(context);
  sender.offer(say("a", "response"));
  const update = say("a");
  sender.offer(update);
  pass(10_000);
  assert.deepEqual(sent.slice(2), [update]);
});

test("late, doubled and foreign acknowledgements do no harm", (context) => {
  const { sender, sent, acknowledged } = setup(context);
  const message = say("a");
  sender.offer(message);
  for (const id of ["", "unknown", message.header.msg_id, message.header.msg_id]) sender.acknowledge(id);
  sender.refuse("unknown", "x");
  assert.equal(acknowledged.length, 1);
  assert.equal(sent.length, 1);
});

test("an acknowledgement that comes after the timeout still counts", (context) => {
  const { sender, acknowledged, pass } = setup(context);
  const message = say("a");
  sender.offer(message);
  pass(27_000);
  sender.acknowledge(message.header.msg_id);
  assert.deepEqual(acknowledged, [message]);
});

test("W20: what cannot be recorded is not sent, but tried again", async (context) => {
  let failures = 2;
  const { sender, sent, pass } = setup(context, () =>
    failures-- > 0 ? Promise.reject(new Error("API away")) : Promise.resolve(),
  );
  sender.offer(say("a"));
  for (let round = 0; round < 3; round += 1) {
    await new Promise(setImmediate);
    pass(4_000);
  }
  await new Promise(setImmediate);
  assert.ok(sent.length >= 1);
});

test("W26: after the end nothing is sent, kept or waited for", (context) => {
  const { sender, sent, pass } = setup(context);
  const message = say("a");
  sender.offer(message);
  sender.stop();
  sender.acknowledge(message.header.msg_id);
  assert.equal(sender.offer(say("b")), false);
  pass(60_000);
  assert.equal(sent.length, 1);
  assert.equal(sender.size, 0);
});

test("a pod is not sent before what it needs, even if that must be recorded first and the pod need not", async (context) => {
  const recorded = Promise.withResolvers<void>();
  const { sender, sent } = setup(context, (message) =>
    message.route.resource?.endsWith("needed") === true ? recorded.promise : undefined,
  );
  const [needed, pod] = [say("needed"), say("pod")];
  sender.offer(needed);
  sender.offer(pod);
  assert.deepEqual(sent, []);
  recorded.resolve();
  await new Promise(setImmediate);
  assert.deepEqual(sent, [needed, pod]);
});

test("what takes long to be recorded is not waited for", (context) => {
  const { sender, sent, pass } = setup(context, (message) =>
    message.route.resource?.endsWith("slow") === true ? new Promise(() => undefined) : undefined,
  );
  sender.offer(say("slow"));
  const other = say("other");
  sender.offer(other);
  pass(1_500);
  assert.deepEqual(sent, [other]);
});
