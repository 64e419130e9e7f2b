import assert from "node:assert/strict";
import { test } from "node:test";
import { deferred, silentLogger, systemClock } from "@kedge/runtime";
import { hubBed, hurry, NODE, saveIdentity } from "./hub-bed.test-data.ts";

const expired = { notBefore: new Date(Date.now() - 50_000), notAfter: new Date(Date.now() - 10_000) };
for (const { name, token } of [
  { name: "without a token", token: "" },
  { name: "with a token that has served its time", token: "x" },
])
  test(`W12: an expired certificate is renewed with proof of its key, ${name}`, async () => {
    await using bed = await hubBed();
    bed.cloud.renewsExpired = true;
    saveIdentity(bed.paths, await bed.cloud.authority.identity(`CN=system:node:${NODE}`, expired));
    await bed.start({ certificate: { ...bed.config().certificate, rotate: false, token } });
    await bed.connected.promise;
    const [request] = bed.cloud.certificateRequests;
    assert.equal(request?.byCertificate, false);
    assert.equal(request?.authorization, undefined);
    assert.match(request?.csr.subject ?? "", new RegExp(`CN=system:node:${NODE}$`));
  });

test("W12: a stock cloud, that knows no such proof, is asked for it once, and the node says what to do", async () => {
  await using bed = await hubBed();
  saveIdentity(bed.paths, await bed.cloud.authority.identity(`CN=system:node:${NODE}`, expired));
  hurry(bed);
  const warnings: string[] = [];
  const told = deferred();
  const warn = (_facts: object | string, message?: string) => {
    warnings.push(message ?? "");
    if (warnings.filter((text) => text.includes("has expired by our clock")).length === 3) told.resolve();
  };
  await bed.start(
    { certificate: { ...bed.config().certificate, rotate: false, token: "" } },
    { ...silentLogger, warn },
  );
  await told.promise;
  assert.equal(bed.cloud.certificateRequests.length, 1);
});

test("W12: a certificate that is over by the cloud's clock alone is renewed, too", async () => {
  await using bed = await hubBed();
  bed.cloud.renewsExpired = true;
  saveIdentity(bed.paths, await bed.cloud.authority.identity(`CN=system:node:${NODE}`, expired));
  const hourMs = 60 * 60_000;
  bed.clock = { ...systemClock, now: () => Date.now() - hourMs };
  await bed.start({ certificate: { ...bed.config().certificate, rotate: false, token: "" } });
  await bed.connected.promise;
  assert.equal(bed.cloud.certificateRequests.length, 1);
});

test("W12: an expired certificate is replaced with a token at hand", async () => {
  await using bed = await hubBed();
  const subject = `CN=system:node:${NODE}`;
  const past = { notBefore: new Date(Date.now() - 50_000), notAfter: new Date(Date.now() - 10_000) };
  saveIdentity(bed.paths, await bed.cloud.authority.identity(subject, past));
  await bed.start();
  await bed.connected.promise;
  assert.equal(bed.cloud.certificateRequests[0]?.authorization, `Bearer ${bed.cloud.bearer}`);
});
