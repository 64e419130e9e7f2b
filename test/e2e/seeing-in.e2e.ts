import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { PODS, type PodSpec } from "@kedge/kube";
import { TEST_IMAGE } from "@kedge/testing";
import { Kubectl, STREAM_MODES } from "./kubectl.ts";
import { CONTROL_PLANES, sleeper, TestBed } from "./test-bed.ts";

const NODE = "edge-seeing-in";
const STEP_MS = { timeout: 90_000 };
const image = { image: TEST_IMAGE, imagePullPolicy: "Never" } as const;
const shell = (script: string) => ["sh", "-c", `trap 'exit 0' TERM; ${script}; while :; do sleep 1 & wait $!; done`];

for (const { name: plane, start, skip } of CONTROL_PLANES)
  describe(`seeing into a node from the ${plane}`, { skip: skip || Kubectl.missing() }, () => {
    let bed: TestBed;
    let kubectl: Kubectl;
    const signal = () => AbortSignal.timeout(60_000);
    const create = async (name: string, spec: Partial<PodSpec>) => {
      await bed.cloud.kube.create(PODS, sleeper(name, NODE, spec), signal());
      await bed.podReady(name);
    };

    before(async () => {
      bed = await TestBed.start(start, NODE);
      kubectl = new Kubectl(bed.cloud.kubeconfig);
      await create("web", {
        containers: [
          { name: "main", ...image, command: shell("for i in 1 2 3 4 5; do echo line $i; done") },
          { name: "side", ...image, command: shell("echo from the side") },
        ],
      });
    });
    after(async () => bed?.[Symbol.asyncDispose]());

    test("kubectl logs: whole, the last lines, with times, of one container and of all", STEP_MS, async () => {
      const lines = [1, 2, 3, 4, 5].map((line) => `line ${line}\n`).join("");
      assert.equal(await kubectl.run(["logs", "web", "-c", "main"]), lines);
      assert.equal(await kubectl.run(["logs", "web", "-c", "main", "--tail=2"]), "line 4\nline 5\n");
      assert.equal(await kubectl.run(["logs", "web", "-c", "main", "--since=10m"]), lines);
      assert.match(
        await kubectl.run(["logs", "web", "-c", "main", "--timestamps", "--tail=1"]),
        /^\d{4}-[\d-]+T[\d:.]+\S* line 5\n$/,
      );
      const all = await kubectl.run(["logs", "web", "--all-containers", "--prefix"]);
      assert.match(all, /\[pod\/web\/side\] from the side/);
      const { code, stderr } = await kubectl.try(["logs", "web", "-c", "nobody"]);
      assert.equal(code, 1);
      assert.match(stderr, /container nobody is not valid for pod web/);
    });

    for (const { name: mode, env } of STREAM_MODES)
      describe(mode, () => {
        test("kubectl exec: output, input, the exit code", STEP_MS, async () => {
          const exec = (...command: string[]) => ["exec", "web", "-c", "main", ...command];
          assert.equal(await kubectl.run(exec("--", "echo", "hello"), { env }), "hello\n");
          assert.equal(
            await kubectl.run(exec("-i", "--", "cat"), { env, stdin: "through and back" }),
            "through and back",
          );
          const failed = await kubectl.try(exec("--", "sh", "-c", "echo wrong >&2; exit 7"), { env });
          assert.equal(failed.code, 7);
          assert.match(failed.stderr, /wrong\n.*exit code 7/s);
        });
      });
  });
