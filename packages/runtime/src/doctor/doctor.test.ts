import assert from "node:assert/strict";
import { test } from "node:test";
import { type Check, found, runChecks } from "./check.ts";
import { isWell, renderReport, renderReportJson } from "./render-report.ts";

const checks: readonly Check[] = [
  { name: "config", title: "configuration", run: () => found.ok("/etc/x.yaml loads") },
  {
    name: "runtime",
    title: "container runtime",
    run: () => found.failed("nobody answers at /c.sock", "start containerd"),
  },
  { name: "clock", title: "clock", run: async () => found.warning("40 s behind the cloud", "set the clock") },
  { name: "dns", title: "DNS", run: () => found.skipped("no name to resolve") },
];

async function report(which: readonly Check[]) {
  const results = await runChecks(which, new AbortController().signal);
  return { program: "edgecore", version: "0.1.0", config: "/etc/x.yaml", results };
}

test("people get a numbered line for each check, and what to do below it", async () => {
  assert.equal(
    renderReport(await report(checks)),
    `edgecore 0.1.0 doctor, /etc/x.yaml

 1 ok   configuration      /etc/x.yaml loads
 2 FAIL container runtime  nobody answers at /c.sock
        fix: start containerd
 3 WARN clock              40 s behind the cloud
        fix: set the clock
 4 skip DNS                no name to resolve

1 ok, 1 failed, 1 warning, 1 skipped
`,
  );
});

test("programs get the same as JSON", async () => {
  const text = renderReportJson(await report(checks.slice(1, 3)));
  assert.deepEqual(JSON.parse(text), {
    program: "edgecore",
    version: "0.1.0",
    config: "/etc/x.yaml",
    ok: false,
    checks: [
      {
        number: 1,
        name: "runtime",
        title: "container runtime",
        state: "failed",
        detail: "nobody answers at /c.sock",
        fix: "start containerd",
      },
      {
        number: 2,
        name: "clock",
        title: "clock",
        state: "warning",
        detail: "40 s behind the cloud",
        fix: "set the clock",
      },
    ],
  });
});

test("a warning is no failure; a check that throws is one, and the others run", async () => {
  assert.equal(isWell(await report(checks.slice(2))), true);
  const broken: Check = {
    name: "broken",
    title: "broken",
    run: () => {
      throw new Error("oops");
    },
  };
  const { results } = await report([broken, ...checks.slice(0, 1)]);
  assert.deepEqual(
    results.map(({ finding }) => [finding.state, finding.detail]),
    [
      ["failed", "oops"],
      ["ok", "/etc/x.yaml loads"],
    ],
  );
});
