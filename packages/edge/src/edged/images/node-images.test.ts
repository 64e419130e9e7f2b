import assert from "node:assert/strict";
import { test } from "node:test";
import type { Image } from "@kedge/cri";
import { systemClock } from "@kedge/runtime";
import { largestImages, NodeImages } from "./node-images.ts";

const image = (name: string, size: bigint, tagsCount = 1): Image =>
  ({
    repoTags: Array.from({ length: tagsCount }, (_, n) => `reg.io/${name}:${n}`),
    repoDigests: [`reg.io/${name}@sha256:0`],
    size,
  }) as unknown as Image;

test("tells the largest images, with a few of their names, digests first", () => {
  const images = [image("small", 1n), image("large", 3n, 9), image("middle", 2n)];
  const told = largestImages(images, 2);
  assert.deepEqual(
    told.map(({ sizeBytes }) => sizeBytes),
    [3, 2],
  );
  assert.deepEqual(
    told[0]?.names,
    ["@sha256:0", ":0", ":1", ":2", ":3"].map((end) => `reg.io/large${end}`),
  );
  assert.equal(largestImages(images, -1).length, 3);
});

test("asks now and then, and not at all if nothing is to be told", async () => {
  let [asked, nowMs] = [0, 0];
  const images = { listImages: () => Promise.resolve([image("a", BigInt((asked += 1)))]) };
  const clock = { ...systemClock, monotonic: () => nowMs };
  const { signal } = new AbortController();
  const told = new NodeImages(-1, { images, clock });
  for (nowMs = 0; nowMs < 600_000; nowMs += 10_000) await told.list(signal);
  assert.equal(asked, 2);
  assert.equal(await new NodeImages(0, { images, clock }).list(signal), undefined);
  assert.equal(asked, 2);
});
