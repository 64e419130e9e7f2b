import assert from "node:assert/strict";
import { test } from "node:test";
import { type Message, newMessage } from "@kedge/protocol";
import { deferred } from "@kedge/runtime";
import { dial, message, startServer } from "../test/link-bed.ts";

/** JSON that becomes much smaller, of about so many bytes. */
const pods = (bytes: number) =>
  Array.from({ length: bytes / 50 }, (_, at) => ({ name: `pod-${at}`, phase: "Running", ready: true }));

/** Counts what passes by direction and type. */
function trafficMeter() {
  const bytes = { in: new Map<string, number>(), out: new Map<string, number>() };
  const onTraffic = (direction: "in" | "out", type: string, count: number) =>
    void bytes[direction].set(type, (bytes[direction].get(type) ?? 0) + count);
  return { bytes, onTraffic };
}

async function agreedLinks() {
  const [edge, cloud] = [trafficMeter(), trafficMeter()];
  const { server, firstLink } = await startServer({ onTraffic: cloud.onTraffic });
  const client = await dial(server, { onTraffic: edge.onTraffic });
  const { link } = await firstLink;
  return { server, client, link, edge: edge.bytes, cloud: cloud.bytes };
}

test("ends that agree say more than messages, in order with them", { timeout: 20_000 }, async () => {
  const { server, firstLink } = await startServer();
  await using _server = server;
  await using client = await dial(server);
  await assert.rejects(client.sendControl({ kind: "renewLease", request: 1 }), { code: "NotAgreed" });
  const { link } = await firstLink;
  const seen: unknown[] = [];
  const done = deferred();
  link.agree({ onControl: (frame) => void seen.push(frame.kind === "renewLease" ? frame.request : frame) });
  link.receive(({ content }) => {
    seen.push(content);
    if (content === "last") done.resolve();
  });
  client.agree({ onControl: () => undefined });
  await Promise.all([
    client.send(message("first")),
    client.sendControl({ kind: "renewLease", request: 1 }),
    client.send(message("second")),
    client.sendControl({ kind: "renewLease", request: 2 }),
    client.send(message("last")),
  ]);
  await done.promise;
  assert.deepEqual(seen, ["first", 1, "second", 2, "last"]);
});

test("messages of all sizes arrive in order, those being compressed too", { timeout: 30_000 }, async () => {
  const { server, client, link, edge, cloud } = await agreedLinks();
  await using _server = server;
  await using _client = client;
  const sizes = [0, 5_000, 400_000, 100, 2_000_000, 50, 60_000, 90_000, 0];
  const sent = [...sizes, ...sizes].map((bytes, at) => message([at, pods(bytes)]));
  const received: Message[] = [];
  const done = deferred();
  link.agree({ onControl: ({ kind }) => void received.push(message(kind)) });
  link.receive((each) => {
    if (received.push(each) === sent.length + 1) done.resolve();
  });
  client.agree({ onControl: () => undefined });
  client.receive(() => undefined);
  const sends = sent.map((each, at) => {
    if (at === 3) void client.sendControl({ kind: "renewLease", request: 1 }); // behind a message being compressed
    return client.send(each);
  });
  await Promise.all([...sends, done.promise]);
  assert.equal(received[3]?.content, "renewLease");
  received.splice(3, 1);
  assert.deepEqual(received, sent);
  const plainBytes = sent.reduce((sum, each) => sum + JSON.stringify(each).length, 0);
  const wireBytes = client.traffic.bytesOut;
  assert.ok(wireBytes < plainBytes / 4, `${wireBytes} of ${plainBytes} bytes`);
  assert.deepEqual(Object.fromEntries(edge.out), Object.fromEntries(cloud.in), "both ends count the same");
  assert.equal(edge.out.get("control"), 2 + 4 + 5);
  assert.equal((edge.out.get("pod") ?? 0) + 11, wireBytes);
});

test("both ends count bytes by type: what they mean, not what a peer makes up", { timeout: 20_000 }, async () => {
  const { server, client, link, edge, cloud } = await agreedLinks();
  await using _server = server;
  await using _client = client;
  const resources = [
    "default/pod/a",
    "node",
    "membership/detail",
    "device/ns/thermometer/twin/edge_updated",
    "k8s/ca.crt",
  ];
  const madeUp = Array.from({ length: 100 }, (_, at) => `default/kind${at}/x`);
  const done = deferred();
  let left = resources.length + madeUp.length;
  link.receive(() => {
    left -= 1;
    if (left === 0) done.resolve();
  });
  client.receive(() => undefined);
  for (const resource of [...resources, ...madeUp])
    await client.send(newMessage({ source: "edged", group: "meta", operation: "update", resource, content: null }));
  await done.promise;
  await client.confirm();
  assert.deepEqual([...cloud.in.keys()].toSorted(), ["ca.crt", "device", "membership", "node", "other", "ping", "pod"]);
  assert.deepEqual(Object.fromEntries(edge.out), Object.fromEntries(cloud.in));
  assert.equal(edge.in.get("ping"), 3, "the answer to the ping: a header and the number's one digit");
  const total = [...edge.out].reduce((sum, [type, bytes]) => sum + (type === "ping" ? 0 : bytes), 0);
  assert.equal(client.traffic.bytesOut, total);
});

test("to a peer that has not agreed everything travels as with stock", { timeout: 20_000 }, async () => {
  const { server, client, link } = await agreedLinks();
  await using _server = server;
  await using _client = client;
  const done = deferred<Message>();
  link.receive((each) => done.resolve(each));
  const sent = message(pods(10_000));
  await client.send(sent);
  assert.deepEqual(await done.promise, sent);
  assert.ok(client.traffic.bytesOut > 10_000);
});

test("a message that is being compressed when the link ends is refused", { timeout: 20_000 }, async () => {
  const { server, client, link } = await agreedLinks();
  await using _server = server;
  client.agree({ onControl: () => undefined });
  link.receive(() => undefined);
  const sends = [client.send(message(pods(5_000_000))), client.send(message("after it"))];
  client.terminate("cut");
  for (const result of await Promise.allSettled(sends))
    assert.equal((result as { reason?: { code?: string } }).reason?.code, "NotConnected");
});

test("a control handler that throws ends the link with its reason", { timeout: 20_000 }, async () => {
  const { server, client, link } = await agreedLinks();
  await using _server = server;
  link.agree({
    onControl: () => {
      throw new Error("what is applied?");
    },
  });
  link.receive(() => undefined);
  client.agree({ onControl: () => undefined });
  client.receive(() => undefined);
  await client.sendControl({ kind: "applied", upTo: 7 });
  assert.deepEqual(await link.closed, { reason: "handlerFailed", detail: "what is applied?" });
  await client.closed;
});

test(
  "a handler of control frames that takes its time is waited for, as one of messages",
  { timeout: 20_000 },
  async () => {
    const { server, firstLink } = await startServer();
    await using _server = server;
    await using client = await dial(server);
    const { link } = await firstLink;
    const [begun, goOn, done] = [deferred(), deferred(), deferred()];
    const seen: string[] = [];
    link.agree({
      onControl: async ({ kind }) => {
        seen.push(`${kind} begins`);
        begun.resolve();
        await goOn.promise;
        seen.push(`${kind} ends`);
      },
    });
    link.receive(({ content }) => {
      seen.push(String(content));
      done.resolve();
    });
    client.agree({ onControl: () => undefined });
    await client.sendControl({ kind: "renewLease", request: 1 });
    await client.send(message("after"));
    await begun.promise;
    goOn.resolve();
    await done.promise;
    assert.deepEqual(seen, ["renewLease begins", "renewLease ends", "after"]);
  },
);
