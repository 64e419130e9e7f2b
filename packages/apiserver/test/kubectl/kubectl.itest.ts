import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { TransportKubeClient } from "@kedge/kube-client";
import { createLogger, systemClock } from "@kedge/runtime";
import { TestKubelet } from "@kedge/testing";
import { startControllers } from "../../src/controllers/start-controllers.ts";
import { startTestServer, type TestServer } from "../start-test-server.ts";
import { currentKubectl, debianKubectl, type Kubectl } from "./kubectl-programs.ts";
import { CRD, CUSTOM_OBJECT, DEPLOYMENT, POD_THAT_STAYS } from "./manifests.ts";

const run = promisify(execFile);
const KUBECTL_TIMEOUT_MS = 30_000;

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** kubectl as a user would call it. */
class KubectlRunner {
  readonly #program: string;
  readonly #kubeconfig: string;
  readonly #home: string;

  constructor(program: string, kubeconfig: string, home: string) {
    this.#program = program;
    this.#kubeconfig = kubeconfig;
    this.#home = home;
  }

  async try(...args: string[]): Promise<Outcome> {
    try {
      const { stdout, stderr } = await run(this.#program, args, { env: this.#env(), timeout: KUBECTL_TIMEOUT_MS });
      return { stdout, stderr, exitCode: 0 };
    } catch (error) {
      const { stdout = "", stderr = "", code } = error as { stdout?: string; stderr?: string; code?: unknown };
      return { stdout, stderr, exitCode: typeof code === "number" ? code : -1 };
    }
  }

  /** @returns what it printed. @throws when it failed */
  async run(...args: string[]): Promise<string> {
    const { stdout, stderr, exitCode } = await this.try(...args);
    assert.equal(exitCode, 0, `kubectl ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.run(...args, "-o", "json")) as T;
  }

  spawn(...args: string[]): ChildProcess {
    return spawn(this.#program, args, { env: this.#env(), stdio: ["ignore", "pipe", "inherit"] });
  }

  file(name: string, text: string): string {
    const path = join(this.#home, name);
    writeFileSync(path, text);
    return path;
  }

  #env(): NodeJS.ProcessEnv {
    return { ...process.env, KUBECONFIG: this.#kubeconfig, HOME: this.#home };
  }
}

scenario("kubectl of today", currentKubectl());
scenario("kubectl of Debian (1.20)", debianKubectl());

function scenario(title: string, program: Kubectl): void {
  const skip = "missing" in program ? program.missing : false;
  describe(title, { skip, timeout: 120_000 }, () => {
    const scope = new AsyncDisposableStack();
    let server: TestServer;
    let kubectl: KubectlRunner;

    before(async () => {
      const home = mkdtempSync(join(tmpdir(), "kedge-kubectl-home-"));
      scope.defer(() => rmSync(home, { recursive: true, force: true }));
      server = scope.use(await startTestServer());
      const kube = scope.use(new TransportKubeClient(server.api.transport));
      const logger = createLogger({}, { level: "error" });
      const signal = AbortSignal.timeout(20_000);
      scope.use(await startControllers({ kube, logger, clock: systemClock, rootCaPem: server.api.caPem }, signal));
      scope.use(await TestKubelet.start(kube, "node-1"));
      kubectl = new KubectlRunner("path" in program ? program.path : "", server.api.adminKubeconfigPath, home);
    });
    after(() => scope.disposeAsync());

    test("version: client and server understand each other", async () => {
      const { serverVersion } = await kubectl.json<{ serverVersion: { gitVersion: string } }>("version");
      assert.match(serverVersion.gitVersion, /^v1\.\d+\.\d+\+kedge$/);
    });

    test("get nodes, namespaces, all", async () => {
      assert.match(await kubectl.run("get", "nodes", "-o", "wide"), /node-1 +Ready/);
      assert.match(await kubectl.run("get", "ns"), /kube-system +Active/);
      assert.match(await kubectl.run("get", "all", "-A"), /service\/kubernetes +ClusterIP/);
      assert.match(await kubectl.run("api-resources"), /deployments +deploy +apps\/v1 +true +Deployment/);
      assert.match(await kubectl.run("api-versions"), /^apps\/v1$/m);
      assert.match(await kubectl.run("cluster-info"), /is running at/);
    });

    test("create, get as YAML and JSON, label, annotate, patch in all ways, delete", async () => {
      await kubectl.run("create", "configmap", "one", "--from-literal=key=value");
      assert.match(await kubectl.run("get", "configmap", "one", "-o", "yaml"), /key: value/);
      await kubectl.run("label", "configmap", "one", "color=blue");
      await kubectl.run("annotate", "configmap", "one", "note=x");
      assert.match(await kubectl.run("get", "cm", "-l", "color=blue", "-o", "name"), /^configmap\/one$/m);
      assert.equal(await kubectl.run("get", "cm", "-l", "color=red", "-o", "name"), "");
      await kubectl.run("patch", "cm", "one", "-p", '{"data":{"s":"1"}}');
      await kubectl.run("patch", "cm", "one", "--type=merge", "-p", '{"data":{"m":"2"}}');
      await kubectl.run("patch", "cm", "one", "--type=json", "-p", '[{"op":"add","path":"/data/j","value":"3"}]');
      const { data } = await kubectl.json<{ data: object }>("get", "cm", "one");
      assert.deepEqual(data, { key: "value", s: "1", m: "2", j: "3" });
      await kubectl.run("delete", "cm", "one");
      const { stderr, exitCode } = await kubectl.try("get", "cm", "one");
      assert.equal(exitCode, 1);
      assert.equal(stderr.trim(), 'Error from server (NotFound): configmaps "one" not found');
    });

    test("create what is there already", async () => {
      await kubectl.run("create", "secret", "generic", "twice", "--from-literal=a=b");
      const { stderr, exitCode } = await kubectl.try("create", "secret", "generic", "twice", "--from-literal=a=b");
      assert.equal(exitCode, 1);
      assert.match(stderr, /secrets "twice" already exists/);
    });

    test("apply a Deployment, twice the same, then with changes; rollout, scale, wait, describe", async () => {
      const file = kubectl.file("web.yaml", DEPLOYMENT);
      assert.match(await kubectl.run("apply", "-f", file), /deployment.apps\/web created/);
      assert.match(await kubectl.run("apply", "-f", file), /deployment.apps\/web unchanged/);
      await kubectl.run("rollout", "status", "deployment/web", "--timeout=20s");
      assert.match(await kubectl.run("get", "deploy", "web"), /web +2\/2 +2 +2/);
      // Three ways: what the file no longer has goes, what others set stays.
      await kubectl.run("annotate", "deployment", "web", "by-another=kept");
      kubectl.file("web.yaml", DEPLOYMENT.replace("web:v1", "web:v2").replace("    tier: front\n", ""));
      assert.match(await kubectl.run("apply", "-f", file), /deployment.apps\/web configured/);
      await kubectl.run("rollout", "status", "deployment/web", "--timeout=20s");
      const { metadata, spec } = await kubectl.json<{
        metadata: { labels: object; annotations: Record<string, string> };
        spec: { template: { spec: { containers: { image: string }[] } } };
      }>("get", "deploy", "web");
      assert.deepEqual(metadata.labels, { app: "web" });
      assert.equal(metadata.annotations["by-another"], "kept");
      assert.equal(spec.template.spec.containers[0]?.image, "example/web:v2");
      await kubectl.run("scale", "deployment", "web", "--replicas=3");
      await kubectl.run("wait", "--for=condition=available", "deployment/web", "--timeout=20s");
      await kubectl.run("rollout", "status", "deployment/web", "--timeout=20s");
      assert.match(await kubectl.run("describe", "deployment", "web"), /Replicas: +3 desired/);
      assert.match(await kubectl.run("get", "pods", "-l", "app=web", "-o", "wide"), /Running .* node-1/);
      const running = [
        "get",
        "pods",
        "-A",
        "--field-selector",
        "status.phase=Running,spec.nodeName=node-1",
        "-o",
        "name",
      ];
      assert.equal((await kubectl.run(...running)).trim().split("\n").length, 3);
      await kubectl.run("rollout", "history", "deployment/web");
      await kubectl.run("delete", "-f", file, "--timeout=20s");
      const gone = await kubectl.try("wait", "--for=delete", "pod", "-l", "app=web", "--timeout=20s");
      // An older kubectl complains when they are gone already.
      assert.ok(gone.exitCode === 0 || gone.stderr.includes("no matching resources"), gone.stderr);
    });

    test("a pod: describe shows its token volume and tolerations; delete waits until it is gone", async () => {
      const file = kubectl.file("pod.yaml", POD_THAT_STAYS);
      await kubectl.run("apply", "-f", file);
      await kubectl.run("wait", "--for=condition=Ready", "pod/stays", "--timeout=20s");
      const described = await kubectl.run("describe", "pod", "stays");
      assert.match(described, /kube-api-access-\w+/);
      assert.match(described, /not-ready:NoExecute op=Exists for 300s/);
      // The node is played, and has no kubelet endpoint.
      const unreachable = /node node-\d has no|node node-\d cannot be called/;
      assert.match((await kubectl.try("logs", "stays")).stderr, unreachable);
      assert.match((await kubectl.try("exec", "stays", "--", "ls")).stderr, unreachable);
      await kubectl.run("delete", "pod", "stays", "--timeout=20s");
      assert.equal((await kubectl.try("get", "pod", "stays")).exitCode, 1);
    });

    test("get -w shows what happens, as it happens", async () => {
      const watch = kubectl.spawn("get", "configmaps", "-l", "watched=yes", "-w", "--no-headers", "-o", "name");
      assert.ok(watch.stdout);
      const lines = createInterface(watch.stdout);
      const seen: string[] = [];
      const third = new Promise<void>((resolve) =>
        lines.on("line", (line) => {
          seen.push(line);
          if (seen.length === 3) resolve();
        }),
      );
      try {
        await kubectl.run("create", "configmap", "w", "--from-literal=a=1");
        await kubectl.run("label", "configmap", "w", "watched=yes"); // enters
        await kubectl.run("patch", "cm", "w", "-p", '{"data":{"a":"2"}}'); // changes
        await kubectl.run("delete", "configmap", "w"); // leaves
        await third;
      } finally {
        watch.kill();
        await once(watch, "exit");
      }
      assert.deepEqual(seen, ["configmap/w", "configmap/w", "configmap/w"]);
    });

    test("a custom resource: columns, validation, defaults, scale, status, end", async () => {
      const definition = kubectl.file("crd.yaml", CRD);
      await kubectl.run("apply", "-f", definition);
      await kubectl.run("wait", "--for=condition=established", "crd/sensors.test.kedge.io", "--timeout=10s");
      const file = kubectl.file("sensor.yaml", CUSTOM_OBJECT);
      assert.match(await kubectl.run("apply", "-f", file), /sensor.test.kedge.io\/s1 created/);
      assert.match(await kubectl.run("apply", "-f", file), /sensor.test.kedge.io\/s1 unchanged/);
      assert.match(await kubectl.run("get", "sensors"), /NAME +UNIT +AGE\ns1 +celsius/);
      kubectl.file("sensor.yaml", CUSTOM_OBJECT.replace("replicas: 1", "replicas: -1"));
      const refused = await kubectl.try("apply", "-f", file);
      assert.equal(refused.exitCode, 1);
      assert.match(refused.stderr, /spec.replicas/);
      await kubectl.run("scale", "sensor", "s1", "--replicas=4");
      assert.equal((await kubectl.json<{ spec: { replicas: number } }>("get", "sensor", "s1")).spec.replicas, 4);
      await kubectl.run("delete", "-f", definition, "--timeout=20s");
      assert.notEqual((await kubectl.try("get", "sensors")).exitCode, 0);
    });

    test("a namespace takes everything in it along", async () => {
      await kubectl.run("create", "namespace", "short");
      await kubectl.run("create", "configmap", "x", "-n", "short", "--from-literal=a=b");
      await kubectl.run("delete", "namespace", "short", "--timeout=20s");
      assert.equal((await kubectl.try("get", "namespace", "short")).exitCode, 1);
    });

    test("a misspelt field is refused with its path", async () => {
      const file = kubectl.file("bad.yaml", POD_THAT_STAYS.replace("image:", "imagee:"));
      const { stderr, exitCode } = await kubectl.try("apply", "-f", file);
      assert.equal(exitCode, 1);
      assert.match(stderr, /unknown field .*imagee/);
    });

    test("pages: chunked lists show everything once", async () => {
      const names = Array.from({ length: 7 }, (_, i) => `page-${i}`);
      const list = names.map(
        (name) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, labels: {paged: "yes"}}\n`,
      );
      await kubectl.run("create", "-f", kubectl.file("many.yaml", list.join("---\n")));
      const listed = await kubectl.run("get", "cm", "-l", "paged=yes", "--chunk-size=3", "-o", "name");
      assert.deepEqual(
        listed.trim().split("\n"),
        names.map((name) => `configmap/${name}`),
      );
      await kubectl.run("delete", "cm", "-l", "paged=yes");
      await kubectl.run("delete", "cm", "--all");
    });
  });
}
