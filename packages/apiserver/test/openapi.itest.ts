import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { currentKubectl, debianKubectl } from "./kubectl/kubectl-programs.ts";
import { startTestServer, type TestServer } from "./start-test-server.ts";

const run = promisify(execFile);

const CRD = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.example.com" },
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { plural: "widgets", kind: "Widget" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: {
                type: "object",
                required: ["size"],
                description: "What is wanted.",
                properties: {
                  size: { type: "string", description: "How large it is." },
                  port: { "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }] },
                  free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
                  list: { type: "array", items: { type: "object", properties: { a: { type: "integer" } } } },
                },
              },
            },
          },
        },
      },
    ],
  },
};

const WIDGET = {
  apiVersion: "example.com/v1",
  kind: "Widget",
  metadata: { name: "w", namespace: "default" },
  spec: { size: "S", port: 80, free: { any: { thing: 1 } }, list: [{ a: 1 }] },
};

const kubectls = { current: currentKubectl(), "Debian's": debianKubectl() };
for (const [name, kubectl] of Object.entries(kubectls))
  suite(
    `OpenAPI for kubectl (${name})`,
    { skip: "missing" in kubectl ? kubectl.missing : false, timeout: 60_000 },
    () => {
      let server: TestServer;
      let home: string;

      before(async () => {
        home = mkdtempSync(join(tmpdir(), "kedge-openapi-"));
        server = await startTestServer();
      });
      after(async () => {
        await server?.[Symbol.asyncDispose]();
        rmSync(home, { recursive: true, force: true });
      });

      async function kubectlRun(...args: string[]): Promise<string> {
        assert.ok("path" in kubectl);
        const env = { PATH: process.env["PATH"], HOME: home, KUBECONFIG: server.api.adminKubeconfigPath };
        const { stdout } = await run(kubectl.path, args, { env });
        return stdout;
      }

      function file(name: string, object: object): string {
        const path = join(home, name);
        writeFileSync(path, JSON.stringify(object));
        return path;
      }

      test("explains built-in fields", async () => {
        assert.match(await kubectlRun("explain", "pods.spec.containers"), /imagePullPolicy\s+<string>/);
        assert.match(await kubectlRun("explain", "deployments", "--recursive"), /terminationGracePeriodSeconds/);
        assert.match(
          await kubectlRun("explain", "deployment.spec.strategy.rollingUpdate"),
          /maxSurge\s+<(string|IntOrString)>/,
        );
      });

      test("explains custom fields as soon as they are defined, and applies by them", async () => {
        await kubectlRun("apply", "-f", file("crd.json", CRD));
        await kubectlRun("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=20s");
        assert.match(await kubectlRun("explain", "widgets.spec"), /How large it is/);
        assert.match(await kubectlRun("apply", "-f", file("widget.json", WIDGET)), /created/);
        assert.match(await kubectlRun("apply", "-f", file("widget.json", WIDGET)), /unchanged/);
        const changed = { ...WIDGET, spec: { size: "L" } };
        assert.match(await kubectlRun("apply", "-f", file("widget.json", changed)), /configured/);
        const odd = { ...WIDGET, spec: { size: "S", oddField: 1 } };
        await assert.rejects(kubectlRun("apply", "-f", file("odd.json", odd)), /oddField/);
        await assert.rejects(kubectlRun("apply", "-f", file("odd.json", { ...WIDGET, spec: {} })), /size/);
      });

      test("knows which writes can be tried out", async () => {
        const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "m", namespace: "default" }, data: {} };
        assert.match(await kubectlRun("apply", "--dry-run=server", "-f", file("map.json", map)), /server dry run/);
        await assert.rejects(kubectlRun("get", "configmap", "m"), /not found/i);
      });
    },
  );
