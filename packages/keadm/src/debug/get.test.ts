import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { openDatabase } from "@kedge/sqlite";
import { hasCode } from "@kedge/runtime";
import { get, type GetFlags } from "./get.ts";

const CREATED = "2026-01-01T00:00:00Z";
const objects = [
  {
    type: "pod",
    object: {
      kind: "Pod",
      metadata: { name: "web", namespace: "default", labels: { app: "web" }, creationTimestamp: CREATED },
      spec: { nodeName: "edge", containers: [{ name: "main" }] },
      status: {
        phase: "Running",
        podIP: "10.0.0.2",
        containerStatuses: [{ name: "main", ready: true, restartCount: 2 }],
      },
    },
  },
  {
    type: "pod",
    object: {
      kind: "Pod",
      metadata: { name: "broken", namespace: "other" },
      spec: { containers: [{ name: "main" }] },
      status: {
        phase: "Pending",
        containerStatuses: [
          { name: "main", ready: false, restartCount: 0, state: { waiting: { reason: "ImagePullBackOff" } } },
        ],
      },
    },
  },
  {
    type: "secret",
    object: { kind: "Secret", metadata: { name: "door", namespace: "default" }, data: { key: "c2VzYW1l" } },
  },
  {
    type: "node",
    object: {
      kind: "Node",
      metadata: { name: "edge", labels: { "node-role.kubernetes.io/edge": "" } },
      status: { conditions: [{ type: "Ready", status: "True" }] },
    },
  },
];

suite("keadm debug get", () => {
  let dir: string;
  let path: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), "kedge-get-"));
    path = join(dir, "edgecore.db");
    const db = openDatabase({ path });
    db.exec("CREATE TABLE meta (key text, type text, value text, PRIMARY KEY (key))");
    const insert = db.prepare("INSERT INTO meta VALUES (?, ?, ?)");
    for (const { type, object } of objects) insert.run(`${type}/${object.metadata.name}`, type, JSON.stringify(object));
    db.close();
  });
  after(() => rmSync(dir, { recursive: true }));

  async function run(what: string, name?: string, flags: Partial<GetFlags> = {}): Promise<string> {
    const lines: string[] = [];
    const session = {
      signal: AbortSignal.timeout(10_000),
      print: (text: string) => void lines.push(text),
      tell: (text: string) => void lines.push(text),
      step: <T>(_: string, work: () => Promise<T>) => work(),
      confirm: () => Promise.resolve(),
    };
    const defaults = {
      namespace: "default",
      allNamespaces: false,
      edgedbPath: path,
      rootDir: "/",
      output: "",
      showSecrets: false,
    };
    await get(what, name, { ...defaults, ...flags }, session);
    return lines.join("\n");
  }

  test("pods are shown as kubectl shows them", async () => {
    assert.match(
      await run("pods", undefined, { output: "wide" }),
      /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE\nweb +1\/1 +Running +2 +\d+\w +10\.0\.0\.2 +edge$/,
    );
    assert.match(await run("pod", undefined, { allNamespaces: true }), /other +broken +0\/1 +ImagePullBackOff/);
  });

  test("names, labels and namespaces select", async () => {
    assert.match(await run("pod", "web"), /web/);
    assert.match(await run("pod", undefined, { selector: "app=none" }), /No resources found in default namespace/);
    await assert.rejects(run("pod", "broken"), (error) => hasCode(error, "NotFound"));
    await assert.rejects(run("lease"), /the database holds no lease: take one of all, pod/);
  });

  test("nodes have no namespace", async () => assert.match(await run("node"), /edge +Ready +edge/));

  test("FIX: Secrets are not shown in clear unless that is asked for", async () => {
    for (const output of ["", "wide", "json", "yaml"])
      assert.doesNotMatch(await run("secret", "door", { output }), /c2VzYW1l/);
    assert.doesNotMatch(await run("all", undefined, { output: "json" }), /c2VzYW1l/);
    assert.match(await run("secret", "door", { output: "json", showSecrets: true }), /c2VzYW1l/);
  });
});
