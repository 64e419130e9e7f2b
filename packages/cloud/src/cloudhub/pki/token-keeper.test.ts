import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject, Secret } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { type Clock, silentLogger } from "@kedge/runtime";
import { CertificateAuthority } from "./certificate-authority.ts";
import { verifyBearer } from "./join-token.ts";
import { bearerOf } from "./json-web-token.ts";
import { TokenKeeper } from "./token-keeper.ts";

test("W10: a token that cannot be stored is tried again until it is, and the waits are kept however long they are", async () => {
  const ca = CertificateAuthority.create(0);
  const slept: number[] = [];
  const stored: string[] = [];
  const enough = Promise.withResolvers<void>();
  let now = 0;
  let failures = 0;
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    async sleep(ms, signal) {
      await new Promise(setImmediate);
      signal.throwIfAborted();
      slept.push(ms);
      now += ms;
    },
  };
  // Only what the keeper calls; the real API server's part is in the itests.
  const kube = {
    create: (_type: unknown, object: KubeObject) => {
      if (failures > 0) {
        failures -= 1;
        return Promise.reject(new Error("the API server is away"));
      }
      const token = Buffer.from((object as Secret).data?.["tokendata"] ?? "", "base64").toString();
      verifyBearer(ca, bearerOf(token), now);
      stored.push(token);
      if (stored.length === 1) failures = 3;
      if (stored.length === 3) enough.resolve();
      return Promise.resolve(object);
    },
  } as unknown as KubeClient;
  const hours = 1_000; // more than a timer can wait
  await using keeper = await TokenKeeper.start(
    hours,
    { kube, clock, logger: silentLogger, ca },
    AbortSignal.timeout(10_000),
  );
  await enough.promise;
  assert.equal(new Set(stored).size, stored.length);
  assert.ok(Math.max(...slept) <= 24 * 3_600_000);
  assert.ok(now >= 2 * hours * 3_600_000);
  assert.ok(keeper);
});
