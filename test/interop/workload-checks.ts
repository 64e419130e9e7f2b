import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CONFIG_MAPS, DEPLOYMENTS, EVENTS, type Node, NODES, type Pod, PODS, type PodSpec, SECRETS } from "@kedge/kube";
import { TEST_IMAGE } from "@kedge/testing";
import { deployment, NAMESPACE, readyPod, sleeper, type TestBed } from "../e2e/test-bed.ts";
import { waitForObject } from "../e2e/wait-for-object.ts";
import { BOTH_ENDS_MS, BOTH_ENDS_SECONDS, type Check, key, signal } from "./check.ts";

/** Stays until the end, so that every later check can see whether its containers go on. */
export const APP = "web";

/** A container that has ConfigMap and Secret in variables and files. */
export const WITH_SETTINGS: Partial<PodSpec> = {
  containers: [
    {
      ...deployment(APP, 1, "").spec?.template.spec?.containers[0],
      name: "main",
      env: [
        { name: "COLOUR", valueFrom: { configMapKeyRef: { name: "settings", key: "colour" } } },
        { name: "WORD", valueFrom: { secretKeyRef: { name: "keys", key: "word" } } },
      ],
      volumeMounts: [
        { name: "settings", mountPath: "/settings" },
        { name: "keys", mountPath: "/keys" },
      ],
    },
  ],
  volumes: [
    { name: "settings", configMap: { name: "settings" } },
    { name: "keys", secret: { secretName: "keys" } },
  ],
};

const base64 = (text: string) => Buffer.from(text).toString("base64");
const metadata = (name: string) => ({ name, namespace: NAMESPACE });

/** Resolves once the Deployment has exactly this many pods, all Ready and of its newest template. */
export async function rolledOut(bed: TestBed, name: string, replicas: number): Promise<Pod[]> {
  await waitForObject(
    bed.cloud.kube,
    DEPLOYMENTS,
    key(name),
    (found) =>
      found?.status?.observedGeneration === found?.metadata?.generation &&
      (found?.status?.updatedReplicas ?? 0) === replicas &&
      (found?.status?.availableReplicas ?? 0) === replicas &&
      (found?.status?.replicas ?? 0) === replicas,
    BOTH_ENDS_MS,
  );
  return podsOf(bed, name);
}

/** The Deployment {@link APP}, with its ConfigMap and Secret. @returns its two pods, Ready. */
export async function createApp(bed: TestBed): Promise<Pod[]> {
  const { kube } = bed.cloud;
  await kube.create(CONFIG_MAPS, { metadata: metadata("settings"), data: { colour: "red" } }, signal());
  await kube.create(SECRETS, { metadata: metadata("keys"), data: { word: base64("sesame") } }, signal());
  await kube.create(DEPLOYMENTS, deployment(APP, 2, bed.node.name, WITH_SETTINGS), signal());
  return rolledOut(bed, APP, 2);
}

export async function podsOf(bed: TestBed, app: string): Promise<Pod[]> {
  const { items } = await bed.cloud.kube.list(PODS, { namespace: NAMESPACE, labelSelector: `app=${app}` }, signal());
  return items.filter((pod) => readyPod(pod) !== undefined);
}

export async function setColour(bed: TestBed, colour: string): Promise<void> {
  const patch = { type: "merge", body: { data: { colour } } } as const;
  await bed.cloud.kube.patch(CONFIG_MAPS, key("settings"), patch, signal());
}

export async function setWord(bed: TestBed, word: string): Promise<void> {
  const patch = { type: "merge", body: { data: { word: base64(word) } } } as const;
  await bed.cloud.kube.patch(SECRETS, key("keys"), patch, signal());
}

/** Resolves once every pod of the app sees these in its files. */
export async function filesBecome(bed: TestBed, { colour, word }: { colour?: string; word?: string }): Promise<void> {
  for (const pod of await podsOf(bed, APP)) {
    if (colour !== undefined) await bed.fileBecomes(pod, "main", "/settings/colour", colour, BOTH_ENDS_SECONDS);
    if (word !== undefined) await bed.fileBecomes(pod, "main", "/keys/word", word, BOTH_ENDS_SECONDS);
  }
}

export async function runPod(bed: TestBed, name: string, spec: Partial<PodSpec> = {}): Promise<void> {
  await bed.cloud.kube.create(PODS, sleeper(name, bed.node.name, spec), signal());
  await bed.podReady(name, BOTH_ENDS_MS);
}

export const podIsGone = (bed: TestBed, name: string): Promise<true> =>
  waitForObject(bed.cloud.kube, PODS, key(name), (pod) => pod === undefined, BOTH_ENDS_MS);

export const WORKLOAD_CHECKS: readonly Check[] = [
  {
    name: "the node that joined with the token is an edge node and Ready",
    run: async ({ cloud, node }) => {
      // A stock cloud adds its labels in a second step.
      const isEdge = (found: Node | undefined) =>
        found?.metadata?.labels?.["node-role.kubernetes.io/edge"] === "" ? found : undefined;
      const found = await waitForObject(cloud.kube, NODES, { name: node.name }, isEdge);
      assert.equal(found.metadata?.labels?.["kubernetes.io/hostname"], node.name);
      assert.match(found.status?.nodeInfo?.kubeletVersion ?? "", /^v1\.32\.\d+-kubeedge-/);
      assert.equal(found.status?.conditions?.find(({ type }) => type === "Ready")?.reason, "EdgeReady");
    },
  },
  {
    name: "a Deployment's pods have ConfigMap and Secret in variables and files",
    run: async (bed) => {
      const pods = await createApp(bed);
      assert.equal(pods.length, 2);
      for (const pod of pods) {
        const script = "echo $COLOUR $WORD $(cat /settings/colour) $(cat /keys/word)";
        assert.equal(await bed.exec(pod, "main", ["sh", "-c", script]), "red sesame red sesame\n");
      }
    },
  },
  {
    name: "an update of ConfigMap and Secret reaches the files",
    run: async (bed) => {
      await setColour(bed, "blue");
      await setWord(bed, "open");
      await filesBecome(bed, { colour: "blue", word: "open" });
    },
  },
  {
    name: "a Deployment is scaled up and down",
    run: async (bed) => {
      const scale = (replicas: number) =>
        bed.cloud.kube.patch(DEPLOYMENTS, key(APP), { type: "merge", body: { spec: { replicas } } }, signal());
      await scale(3);
      await rolledOut(bed, APP, 3);
      await scale(1);
      const [kept, ...others] = await rolledOut(bed, APP, 1);
      assert.deepEqual(others, []);
      const running = await bed.containerIds({ "io.kubernetes.pod.uid": kept?.metadata?.uid ?? "" });
      assert.equal(running.length, 1);
    },
  },
  {
    name: "a pod that fails is Failed with its exit code",
    run: async (bed) => {
      const container = { name: "main", image: TEST_IMAGE, imagePullPolicy: "Never", command: ["sh", "-c", "exit 3"] };
      const spec = { restartPolicy: "Never", containers: [container] };
      await bed.cloud.kube.create(PODS, sleeper("failing", bed.node.name, spec), signal());
      const pod = await waitForObject(
        bed.cloud.kube,
        PODS,
        key("failing"),
        (found) => (found?.status?.phase === "Failed" ? found : undefined),
        BOTH_ENDS_MS,
      );
      assert.equal(pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 3);
    },
  },
  {
    name: "a deleted pod ends, and goes",
    run: async (bed) => {
      await runPod(bed, "short");
      await bed.cloud.kube.delete(PODS, key("short"), signal());
      await podIsGone(bed, "short");
      await bed.node.containersGone({ "io.kubernetes.pod.name": "short" });
    },
  },
  {
    name: "a pod has its ServiceAccount's token and the cluster's CA",
    run: async (bed) => {
      await runPod(bed, "account", { automountServiceAccountToken: true });
      const pod = await bed.podReady("account");
      const read = (file: string) =>
        bed.exec(pod, "main", ["cat", `/var/run/secrets/kubernetes.io/serviceaccount/${file}`]);
      const [, claims = ""] = (await read("token")).split(".");
      const { sub } = JSON.parse(Buffer.from(claims, "base64url").toString()) as { sub?: string };
      assert.equal(sub, `system:serviceaccount:${NAMESPACE}:default`);
      assert.match(await read("ca.crt"), /^-----BEGIN CERTIFICATE-----/);
      await bed.cloud.kube.delete(PODS, key("account"), signal());
      await podIsGone(bed, "account");
    },
  },
  {
    name: "what happens to a pod at the edge is told in Events",
    run: async (bed) => {
      await runPod(bed, "eventful");
      const fieldSelector = "involvedObject.name=eventful,reason=Started";
      const events = bed.cloud.kube.watch(
        EVENTS,
        { namespace: NAMESPACE, fieldSelector },
        AbortSignal.timeout(BOTH_ENDS_MS),
      );
      for await (const event of events) {
        if (event.type !== "ADDED") continue; // without a version, a watch begins with what there is
        assert.equal(event.object.source?.host, bed.node.name);
        break;
      }
      await bed.cloud.kube.delete(PODS, key("eventful"), signal());
      await podIsGone(bed, "eventful");
    },
  },
  {
    name: "a pod from a file at the edge shows in the API, and goes with the file",
    run: async (bed) => {
      const file = join(bed.node.manifests, "static.json");
      const { spec, ...pod } = sleeper("static", bed.node.name);
      await writeFile(file, JSON.stringify({ ...pod, spec: { ...spec, nodeName: undefined } }));
      const mirror = await bed.podReady(`static-${bed.node.name}`, BOTH_ENDS_MS);
      assert.notEqual(mirror.metadata?.annotations?.["kubernetes.io/config.mirror"], undefined);
      await rm(file);
      await podIsGone(bed, `static-${bed.node.name}`);
      await bed.node.containersGone({ "io.kubernetes.pod.name": `static-${bed.node.name}` });
    },
  },
];
