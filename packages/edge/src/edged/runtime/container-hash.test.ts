import assert from "node:assert/strict";
import { test } from "node:test";
import { containerHash } from "./container-hash.ts";

const vectors = [
  { name: "nginx", image: "nginx:1.27", hash: "91edee8f" },
  { name: "app", image: "registry.example.com/a/b@sha256:abcd", hash: "57e6df6a" },
  { name: "c", image: "x&y<z>", hash: "afea143e" },
];
for (const { name, image, hash } of vectors)
  test(`MUST-MATCH: a kubelet's hash of ${name} with image ${image}`, () =>
    assert.equal(containerHash({ name, image }), hash));
