import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { NODES, PODS, type PodSpec } from "@kedge/kube";
import { TEST_IMAGE } from "@kedge/testing";
import { openLogs } from "./api-stream.ts";
import { Kubectl, STREAM_MODES } from "./kubectl.ts";
import { CONTROL_PLANES, NAMESPACE, sleeper, TestBed } from "./test-bed.ts";
import { waitForObject } from "./wait-for-object.ts";

const NODE = "edge-seeing-in";
const STEP_MS = { timeout: 120_000 };
const SESSIONS = 100;
const image = { image: TEST_IMAGE, imagePullPolicy: "Never" } as const;
const shell = (script: string) => ["sh", "-c", `trap 'exit 0' TERM; ${script}; while :; do sleep 1 & wait $!; done`];
/** A line every 100 ms, numbered without end. */
const COUNT = shell('n=0; (while :; do n=$((n+1)); echo "count $n"; sleep 0.1; done) & wait');
const missingScript = () => (existsOnPath("script") ? false : "util-linux' script, which plays a terminal, is missing");

for (const { name: plane, start, skip } of CONTROL_PLANES)
  describe(`seeing into a node from the ${plane}`, { skip: skip || Kubectl.missing() }, () => {
    let bed: TestBed;
    let kubectl: Kubectl;
    let dir: string;
    const signal = () => AbortSignal.timeout(60_000);
    const create = async (name: string, spec: Partial<PodSpec>) => {
      await bed.cloud.kube.create(PODS, sleeper(name, NODE, spec), signal());
      await bed.podReady(name);
    };

    before(async () => {
      dir = mkdtempSync(join(tmpdir(), "kedge-seeing-in-"));
      bed = await TestBed.start(start, NODE);
      kubectl = new Kubectl(bed.cloud.kubeconfig);
      await create("web", {
        containers: [
          {
            name: "main",
            ...image,
            command: shell("ln -s busybox /bin/tar; for i in 1 2 3 4 5; do echo line $i; done"),
          },
          {
            name: "side",
            ...image,
            command: shell("echo from the side; mkdir /www; echo served > /www/index.html; httpd -p 8080 -h /www"),
          },
        ],
      });
      await create("counter", { containers: [{ name: "main", ...image, command: COUNT }] });
    });
    after(async () => {
      await bed?.[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    });

    test("the node shows the cluster where it is reached, and keeps what it reports itself", STEP_MS, async () => {
      const node = await waitForObject(bed.cloud.kube, NODES, { name: NODE }, (found) =>
        found?.metadata?.annotations?.["kedge.io/kubelet-endpoint"] === undefined ? undefined : found,
      );
      const addresses = node.status?.addresses ?? [];
      assert.deepEqual(
        addresses.slice(0, 2).map(({ type }) => type),
        ["InternalIP", "Hostname"],
      );
      assert.equal(addresses[0]?.address, addresses[1]?.address);
      assert.ok(addresses.some(({ type, address }) => type === "Hostname" && address === NODE));
      assert.notEqual(node.status?.daemonEndpoints?.kubeletEndpoint?.Port, 10_350);
    });

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

    test("kubectl logs --previous: what the container said before it was restarted", STEP_MS, async () => {
      const command = [
        "sh",
        "-c",
        "if [ -e /state/once ]; then echo second; sleep 1000; fi; touch /state/once; echo first; exit 3",
      ];
      await bed.cloud.kube.create(
        PODS,
        sleeper("restarts", NODE, {
          restartPolicy: "Always",
          containers: [{ name: "main", ...image, command, volumeMounts: [{ name: "state", mountPath: "/state" }] }],
          volumes: [{ name: "state", emptyDir: {} }],
        }),
        signal(),
      );
      await waitForObject(bed.cloud.kube, PODS, { namespace: NAMESPACE, name: "restarts" }, (pod) => {
        const [status] = pod?.status?.containerStatuses ?? [];
        return status?.restartCount === 1 && status.state?.running !== undefined ? true : undefined;
      });
      assert.equal(await kubectl.run(["logs", "restarts", "--previous"]), "first\n");
      assert.equal(await kubectl.run(["logs", "restarts"]), "second\n");
    });

    test("kubectl attach: what the container reads and writes", STEP_MS, async () => {
      await create("echo", {
        containers: [
          { name: "main", ...image, stdin: true, command: ["sh", "-c", "while read word; do echo got $word; done"] },
        ],
      });
      await using attached = kubectl.follow(["attach", "-i", "echo"]);
      attached.child.stdin.write("one\n");
      await attached.until((stdout) => stdout.includes("got one\n"), "the container's answer");
      attached.child.stdin.write("two\n");
      await attached.until((stdout) => stdout.includes("got two\n"), "the container's second answer");
    });

    for (const { name: mode, env } of STREAM_MODES)
      describe(mode, () => {
        const exec = (...command: string[]) => ["exec", "web", "-c", "main", ...command];

        test("kubectl exec: output, input, the exit code", STEP_MS, async () => {
          assert.equal(await kubectl.run(exec("--", "echo", "hello"), { env }), "hello\n");
          assert.equal(
            await kubectl.run(exec("-i", "--", "cat"), { env, stdin: "through and back" }),
            "through and back",
          );
          const failed = await kubectl.try(exec("--", "sh", "-c", "echo wrong >&2; exit 7"), { env });
          assert.equal(failed.code, 7);
          assert.match(failed.stderr, /wrong\n.*exit code 7/s);
        });

        test("kubectl exec -it: a terminal of the caller's size", { ...STEP_MS, skip: missingScript() }, async () => {
          // The size comes once the command runs already.
          const inside = "'until stty size 2>/dev/null | grep -q 100; do sleep 0.1; done; stty size'";
          const command = `stty rows 40 cols 100; exec "$KUBECTL" ${exec("-it", "--", "sh", "-c", inside).join(" ")}`;
          assert.match(await kubectl.inTerminal(command, env), /40 100/);
        });

        test("kubectl cp: a file there and back", STEP_MS, async () => {
          const text = "x".repeat(300_000);
          writeFileSync(join(dir, "there"), text);
          await kubectl.run(["cp", join(dir, "there"), "web:/tmp/there", "-c", "main"], { env });
          await kubectl.run(["cp", "web:/tmp/there", join(dir, "back"), "-c", "main"], { env });
          assert.equal(readFileSync(join(dir, "back"), "utf8"), text);
        });

        test("kubectl port-forward: a server in the pod answers here", STEP_MS, async () => {
          await using forward = kubectl.follow(["port-forward", "pod/web", ":8080"], env);
          const listening = /Forwarding from 127\.0\.0\.1:(\d+)/;
          await forward.until((stdout) => listening.test(stdout), "a local port");
          const port = listening.exec(forward.stdout)?.[1];
          for (let times = 0; times < 3; times += 1) {
            const answer = await fetch(`http://127.0.0.1:${port}/index.html`);
            assert.equal(await answer.text(), "served\n");
          }
        });
      });

    test("kubectl debug: another container in a running pod", STEP_MS, async () => {
      const debug = [
        "debug",
        "web",
        `--image=${TEST_IMAGE}`,
        "--image-pull-policy=Never",
        "--target=main",
        "-c",
        "looker",
      ];
      await kubectl.run([...debug, "--", "sh", "-c", "echo looking; ls /proc/1/root >/dev/null && echo seen"]);
      await waitForObject(
        bed.cloud.kube,
        PODS,
        { namespace: NAMESPACE, name: "web" },
        (pod) => pod?.status?.ephemeralContainerStatuses?.some(({ state }) => state?.terminated !== undefined) === true,
      );
      assert.match(await kubectl.run(["logs", "web", "-c", "looker"]), /^looking\n/);
    });

    test(`${SESSIONS} streams at once`, STEP_MS, async () => {
      const streams = await Promise.all(
        Array.from({ length: SESSIONS }, () => openLogs(bed.cloud.kubeconfig, "counter", "follow=true&tailLines=1")),
      );
      try {
        await Promise.all(streams.map((stream) => stream.until((text) => text.split("\n").length > 5)));
        for (const { text } of streams) assertCounts(text);
      } finally {
        for (const stream of streams) stream.end();
      }
    });

    test("kubectl exec whose tunnel is cut says so, and fails", STEP_MS, async () => {
      await using running = kubectl.follow(["exec", "web", "-c", "main", "--", "sh", "-c", "echo begun; sleep 1000"]);
      await running.until((stdout) => stdout.includes("begun"), "the command's first word");
      await bed.node.killAgent();
      try {
        assert.notEqual(await running.ended, 0);
        assert.match(running.stderr, /the stream to node edge-seeing-in was cut/);
      } finally {
        await bed.node.startAgent();
      }
    });

    test(
      "kubectl logs -f goes on when the agent has been away, and nothing is missing or comes twice",
      STEP_MS,
      async () => {
        await using followed = kubectl.follow(["logs", "-f", "counter", "--tail=1"]);
        await followed.until((stdout) => stdout.split("\n").length > 10, "ten lines");
        await bed.node.killAgent();
        await bed.node.startAgent();
        const before = followed.stdout.split("\n").length;
        await followed.until((stdout) => stdout.split("\n").length > before + 60, "more lines", 60_000);
        assertCounts(followed.stdout);
      },
    );

    test("kubectl logs works again as soon as cloudcore is back", STEP_MS, async () => {
      const shown = async () => {
        const { status } = await bed.cloud.kube.get(NODES, { name: NODE }, signal());
        return [status?.addresses?.[0]?.address, status?.daemonEndpoints?.kubeletEndpoint?.Port];
      };
      const before = await shown();
      await using followed = kubectl.follow(["logs", "-f", "counter", "--tail=1"]);
      await followed.until((stdout) => stdout.split("\n").length > 3, "some lines");
      await bed.cloud.kill();
      await followed.ended; // whatever the API server makes of that
      await bed.cloud.start();
      const limit = AbortSignal.timeout(60_000);
      while ((await kubectl.try(["logs", "counter", "--tail=1"])).code !== 0) limit.throwIfAborted(); // until the tunnel is back
      assert.deepEqual(await shown(), before, "the node is where it was: its port stays");
    });

    // Last: by now the node has been measured for a while.
    test(
      "kubectl top node and pod",
      { ...STEP_MS, skip: plane === "real Kubernetes" && "see metrics-server.e2e.ts" },
      async () => {
        assert.match(
          await kubectl.run(["top", "node", "--no-headers"]),
          /^edge-seeing-in\s+\d+m\s+\d+%\s+\d+Mi\s+\d+%/,
        );
        assert.match(
          await kubectl.run(["top", "pod", "web", "--containers", "--no-headers"]),
          /web\s+main\s+\d+m\s+\d+Mi/,
        );
      },
    );
  });

/** Each line one more than the one before. */
function assertCounts(text: string): void {
  const whole = text.slice(0, text.lastIndexOf("\n"));
  const numbers = whole.split("\n").map((line) => Number(/^count (\d+)$/.exec(line)?.[1]));
  const [first = Number.NaN] = numbers;
  assert.deepEqual(
    numbers,
    Array.from(numbers, (_, at) => first + at),
  );
}

function existsOnPath(program: string): boolean {
  return (process.env["PATH"] ?? "").split(":").some((folder) => existsSync(join(folder, program)));
}
