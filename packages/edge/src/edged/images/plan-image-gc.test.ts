import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesToFree, expiredImages, type KnownImage, removableImages } from "./plan-image-gc.ts";
import { looksLikePause } from "./sandbox-image.ts";

const image = (id: string, facts: Partial<KnownImage> = {}): KnownImage => ({
  id,
  bytes: 1,
  firstSeenAtMs: 0,
  usedAtMs: undefined,
  isNeeded: false,
  ...facts,
});
const ids = (images: readonly KnownImage[]) => images.map(({ id }) => id).join(" ");

test("what nobody has needed for longest goes first, and nothing that is needed or has just come", () => {
  const images = [
    image("used-late", { usedAtMs: 900 }),
    image("needed", { isNeeded: true }),
    image("never-used-newer", { firstSeenAtMs: 10 }),
    image("never-used"),
    image("used-early", { usedAtMs: 100 }),
    image("just-pulled", { firstSeenAtMs: 950 }),
  ];
  assert.equal(ids(removableImages(images, 1000, 100)), "never-used never-used-newer used-early used-late");
});

test("too old is what nobody has needed for longer than it may lie here", () => {
  const images = [
    image("old"),
    image("needed", { isNeeded: true }),
    image("used", { usedAtMs: 950 }),
    image("new", { firstSeenAtMs: 950 }),
  ];
  assert.equal(ids(expiredImages(images, 1000, 100)), "old");
  assert.equal(ids(expiredImages(images, 1000, 0)), "");
});

const disks = [
  { name: "below the high threshold nothing", available: 16, high: 85, low: 80, usedPercent: 84, bytes: 0 },
  { name: "at it, down to the low one", available: 15, high: 85, low: 80, usedPercent: 85, bytes: 5 },
  { name: "full", available: 0, high: 85, low: 80, usedPercent: 100, bytes: 20 },
  { name: "switched off", available: 0, high: 100, low: 80, usedPercent: 100, bytes: 0 },
  { name: "more left than there is", available: 200, high: 85, low: 80, usedPercent: 0, bytes: 0 },
];
for (const { name, available, high, low, usedPercent, bytes } of disks)
  test(`to be freed: ${name}`, () =>
    assert.deepEqual(bytesToFree({ available, capacity: 100 }, { highPercent: high, lowPercent: low }), {
      usedPercent,
      bytes,
    }));

const names: [name: string, isPause: boolean][] = [
  ["registry.k8s.io/pause:3.9", true],
  ["kubeedge/pause:3.6", true],
  ["registry.example.com:5000/mirror/pause-amd64:3.1", true],
  ["example.com/pauseless:1", false],
  ["example.com/pause/app:1", false],
];
for (const [name, isPause] of names)
  test(`W-55: ${name} ${isPause ? "is" : "is not"} taken for a sandbox image`, () =>
    assert.equal(looksLikePause([name]), isPause));
