import assert from "node:assert/strict";
import { test } from "node:test";
import { acknowledge, newMessage } from "@kedge/protocol";
import { deferred, hasCode, systemClock } from "@kedge/runtime";
import { agreedBed, hubBed, type HubBed } from "./hub-bed.test-data.ts";
import { LEASE_RENEWALS_MAX } from "./lease-renewals.ts";

const renew = (bed: HubBed) => bed.bus.request("hub/renewLease", {}, bed.signal);

test("has its lease renewed in five bytes, and says why it is not", async () => {
  await using bed = await agreedBed();
  await bed.start();
  await bed.connected.promise;
  await renew(bed);
  assert.equal(bed.channel.leaseRequests, 1);
  bed.channel.lease = (request) => ({ kind: "leaseRefused", request, reason: "node deleted" });
  await assert.rejects(renew(bed), (error) => hasCode(error, "LeaseRefused") && /node deleted/.test(error.message));
  assert.ok(bed.cloud.received.every(({ route }) => route.operation === "keepalive"));
});

test("a renewal that nobody answers ends with the link, and there are not many of them", async () => {
  await using bed = await agreedBed();
  bed.channel.lease = () => undefined;
  await bed.start();
  await bed.connected.promise;
  const asked = Array.from({ length: LEASE_RENEWALS_MAX }, () => renew(bed));
  const ended = Promise.all(asked.map((renewal) => assert.rejects(renewal, (error) => hasCode(error, "NotConnected"))));
  await assert.rejects(renew(bed), (error) => hasCode(error, "QueueFull"));
  bed.cloud.link.terminate("cut");
  await ended;
});

test("an answer to a renewal given up before does no harm", async () => {
  await using bed = await agreedBed();
  bed.channel.lease = (request) => ({ kind: "leaseRenewed", request: request + 1 });
  await bed.start();
  await bed.connected.promise;
  const cancelled = new AbortController();
  const waiting = bed.bus.request("hub/renewLease", {}, cancelled.signal);
  await bed.channel.until(() => bed.channel.leaseRequests === 1);
  cancelled.abort();
  await assert.rejects(waiting);
  bed.channel.lease = (request) => ({ kind: "leaseRenewed", request });
  await renew(bed);
});

test("a stock cloud is not asked to renew a lease by itself, nor is one that is away", async () => {
  await using bed = await hubBed();
  await bed.cloud.close();
  await bed.start();
  await assert.rejects(renew(bed), (error) => hasCode(error, "NotSupported"));
  await bed.cloud.open();
  await bed.connected.promise;
  await assert.rejects(renew(bed), (error) => hasCode(error, "NotSupported"));
});

test("needs no keepalive while it says other things, and beats when it says nothing", async () => {
  await using bed = await agreedBed();
  const sleeps: { ms: number; wake: () => void }[] = [];
  const slept = deferred();
  // Time stands still but for the beat.
  bed.clock = {
    ...systemClock,
    sleep: async (ms, signal) => {
      if (ms !== 15_000 / 4) return systemClock.sleep(ms, signal);
      const { promise, resolve, reject } = deferred<void>();
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      sleeps.push({ ms, wake: resolve });
      slept.resolve();
      bed.cloud.look();
      return promise;
    },
  };
  const pass = async () => {
    const at = sleeps.length;
    sleeps.at(-1)?.wake();
    await bed.cloud.until(() => sleeps.length > at);
  };
  const beats = () => bed.cloud.received.filter(({ route }) => route.operation === "keepalive").length;
  await bed.start();
  await bed.connected.promise;
  await slept.promise;
  for (let quarter = 0; quarter < 8; quarter += 1) {
    if (quarter % 2 === 0) await renew(bed);
    await pass();
  }
  await renew(bed); // a message after all others: what was sent has come
  assert.equal(beats(), 1, "the first, which says that we are here");
  await pass();
  for (let quarter = 0; quarter < 3; quarter += 1) await pass();
  await bed.cloud.until(() => beats() === 2);
});

test("counts its bytes by resource, and what came of what it did", async () => {
  await using bed = await agreedBed();
  await bed.start();
  await bed.connected.promise;
  await bed.upload("one");
  await bed.channel.until(() => bed.channel.effects.length === 1);
  bed.cloud.link.terminate("cut");
  await bed.disconnected.promise;
  await bed.connected.promise;
  await renew(bed);
  const lines = (await bed.bus.request("hub/metrics", {}, bed.signal)).split("\n");
  const value = (series: string) =>
    Number(
      lines
        .find((line) => line.startsWith(series))
        ?.split(" ")
        .at(-1),
    );
  assert.ok(value('kedge_edge_traffic_bytes_total{direction="out",resource="keepalive"}') > 100);
  assert.ok(value('kedge_edge_traffic_bytes_total{direction="out",resource="user"}') > 100);
  assert.ok(value('kedge_edge_traffic_bytes_total{direction="in",resource="control"}') >= 7);
  assert.equal(value('kedge_edge_sessions_total{agreed="true"}'), 2);
  assert.equal(value('kedge_edge_outbox_sent_total{again="false"}'), 1);
  assert.equal(value('kedge_edge_lease_renewals_total{result="renewed"}'), 1);
});

test("W32: a late session does not act; one of a cloud that counts anew does", async () => {
  await using bed = await agreedBed();
  bed.channel.epoch = 6;
  await bed.start();
  await bed.connected.promise;
  let handled = 0;
  bed.bus.handle("meta/downstream", (message) => {
    handled += 1;
    return acknowledge(message);
  });
  bed.channel.epoch = 2;
  bed.cloud.link.terminate("cut");
  await bed.cloud.until(() => bed.cloud.links.length === 2);
  await bed.cloud.link.send(configMap("late", "1")).catch(() => undefined);
  await bed.cloud.link.closed;
  assert.equal(handled, 0);
  await bed.cloud.until(() => bed.cloud.links.length === 3);
  await bed.connected.promise;
  await bed.cloud.link.send(configMap("anew", "2"));
  await bed.cloud.until(() => bed.cloud.received.some(({ header }) => header.parent_msg_id === "2"));
  assert.equal(handled, 1);
});

test("W48: what an earlier link brought and nobody has begun is void when a newer one is there", async () => {
  await using bed = await agreedBed();
  const begun = deferred();
  const gate = deferred();
  const done: string[] = [];
  bed.bus.handle("meta/downstream", async (message) => {
    begun.resolve();
    if (message.header.msg_id === "1") await gate.promise;
    done.push(message.header.msg_id);
    return acknowledge(message);
  });
  await bed.start();
  await bed.connected.promise;
  await bed.cloud.link.send(configMap("a", "1"));
  await bed.cloud.link.send(configMap("a", "2"));
  await begun.promise;
  bed.cloud.link.terminate("cut");
  await bed.disconnected.promise;
  await bed.connected.promise;
  await bed.cloud.link.send(configMap("a", "3"));
  gate.resolve();
  await bed.cloud.until(() => bed.cloud.received.some(({ header }) => header.parent_msg_id === "3"));
  assert.deepEqual(done, ["1", "3"], "2 has no ack: the cloud sends it again if it still counts");
});

function configMap(name: string, id: string) {
  const message = newMessage({
    source: "edgecontroller",
    group: "resource",
    operation: "update",
    resource: `default/configmap/${name}`,
    content: { metadata: { namespace: "default", name } },
  });
  return { ...message, header: { ...message.header, msg_id: id } };
}
