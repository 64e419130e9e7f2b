import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeClient } from "@kedge/kube-client";
import type { Clock } from "@kedge/runtime";
import { LeaseRenewals } from "./lease-renewals.ts";

const { signal } = new AbortController();

function setup() {
  let now = 0;
  const clock: Clock = { now: () => now, monotonic: () => now, sleep: () => Promise.reject(new Error("not used")) };
  const written: { name: string; renewTime: string }[] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const kube = {
    patch: async (_type: unknown, { name }: { name: string }, { body }: { body: { spec: { renewTime: string } } }) => {
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      await gate.promise;
      written.push({ name, renewTime: body.spec.renewTime });
    },
  } as unknown as KubeClient;
  const leases = new LeaseRenewals(kube, clock);
  /** Lets writes end, those included that begin thereby. */
  const settle = async (renewals: readonly Promise<void>[]) => {
    const all = Promise.all(renewals);
    let over = false;
    void all.finally(() => (over = true));
    while (!over) {
      for (const gate of gates.splice(0)) gate.resolve();
      await new Promise(setImmediate);
    }
    await all;
  };
  return { leases, written, gates, settle, pass: (ms: number) => void (now += ms) };
}

test("a lease is written by our clock, every other time that a node asks", async () => {
  const { leases, written, settle, pass } = setup();
  for (let times = 0; times < 6; times += 1) {
    await settle([leases.renew("n", signal)]);
    pass(10_000);
  }
  assert.deepEqual(
    written.map(({ renewTime }) => renewTime),
    ["1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:20.000000Z", "1970-01-01T00:00:40.000000Z"],
  );
});

test("what is being written is not written twice", async () => {
  const { leases, written, settle } = setup();
  await settle([leases.renew("n", signal), leases.renew("n", signal)]);
  assert.equal(written.length, 1);
});

test("a node that comes back is written at once: another cloudcore may have had it", async () => {
  const { leases, written, settle } = setup();
  await settle([leases.renew("n", signal)]);
  leases.forget("n");
  await settle([leases.renew("n", signal)]);
  assert.equal(written.length, 2);
});

test("however many nodes ask, only so many writes are under way", async () => {
  const { leases, written, gates, settle } = setup();
  const renewals = Array.from({ length: 500 }, (_, index) => leases.renew(`n${index}`, signal));
  await new Promise(setImmediate);
  assert.equal(gates.length, 32);
  await settle(renewals);
  assert.equal(written.length, 500);
});

test("what an older session of the node waited for says nothing about the newer one's", async () => {
  const { leases, written, gates, settle } = setup();
  const older = new AbortController();
  const first = leases.renew("n", older.signal);
  const second = leases.renew("n", signal);
  older.abort();
  gates.splice(0)[0]?.reject(older.signal.reason);
  await assert.rejects(first, { name: "AbortError" });
  await settle([second]);
  assert.equal(written.length, 1);
});

test("a write that ends after the node has gone makes nothing fresh", async () => {
  const { leases, written, settle } = setup();
  const first = leases.renew("n", signal);
  leases.forget("n");
  await settle([first]);
  await settle([leases.renew("n", signal)]);
  assert.equal(written.length, 2);
});
