import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";

const root = new URL("..", import.meta.url).pathname;

/** Where a certificate is not refused by itself, how often, and who judges it instead. A new place needs a reason here. */
const JUDGED_ELSEWHERE: Readonly<Record<string, { places: number; by: string }>> = {
  "packages/apiserver/src/http/https-server.ts": { places: 1, by: "the server: asks for each request" },
  "packages/cloud/src/cloudhub/https-server.ts": { places: 1, by: "the server: each route checks" },
  "packages/cloud/src/cloudstream/kubelet-server.ts": { places: 1, by: "the server: asks for each request" },
  "packages/cloud/src/doctor/check-serving.ts": { places: 1, by: "the doctor: looks at it, sends nothing" },
  "packages/edge/src/edgehub/certificate-api.ts": { places: 1, by: "the join: CA held against the token's hash" },
  "packages/edge/src/edged/probes/http-get.ts": { places: 1, by: "nobody, as Kubernetes has it: a pod's own probe" },
  "packages/edge/src/doctor/probe-cloud.ts": { places: 2, by: "the doctor: CA held against its hash; sends nothing" },
};

test("TLS is verified everywhere but where somebody else judges the certificate", () => {
  const found: Record<string, number> = {};
  for (const file of globSync("packages/*/src/**/*.ts", { cwd: root })) {
    if (/\.(test|test-data)\.ts$/.test(file)) continue;
    const places = readFileSync(root + file, "utf8").split(/rejectUnauthorized: (?!true)/).length - 1;
    if (places > 0) found[file] = places;
  }
  const allowed = Object.fromEntries(Object.entries(JUDGED_ELSEWHERE).map(([file, { places }]) => [file, places]));
  assert.deepEqual(found, allowed);
});
