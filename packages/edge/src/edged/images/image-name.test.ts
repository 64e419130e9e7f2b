import assert from "node:assert/strict";
import { test } from "node:test";
import { parseImageName } from "./image-name.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const cases: [image: string, full: string, repository: string][] = [
  ["nginx", "nginx:latest", "docker.io/library/nginx"],
  ["nginx:1.27", "nginx:1.27", "docker.io/library/nginx"],
  ["team/app", "team/app:latest", "docker.io/team/app"],
  ["localhost/app:1", "localhost/app:1", "localhost/app"],
  ["localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app"],
  ["registry.example.com/a/b_c/d-e:v1.0", "registry.example.com/a/b_c/d-e:v1.0", "registry.example.com/a/b_c/d-e"],
  [`app@${DIGEST}`, `app@${DIGEST}`, "docker.io/library/app"],
  [`app:1@${DIGEST}`, `app:1@${DIGEST}`, "docker.io/library/app"],
  ["[fd00::1]:5000/app:1", "[fd00::1]:5000/app:1", "[fd00::1]:5000/app"],
];
for (const [image, full, repository] of cases)
  test(`reads ${image}`, () => assert.deepEqual(parseImageName(image), { full, repository }));

const wrong = [
  "",
  "Not An Image",
  "UPPER",
  "a//b",
  "app:",
  "app:-x",
  "app@sha256:short",
  "-app",
  "a_-b",
  "x".repeat(300),
  "../etc",
];
for (const image of wrong)
  test(`refuses ${JSON.stringify(image.slice(0, 20))}`, () => assert.equal(parseImageName(image), undefined));
