import { DEVICE_MODELS, DEVICES } from "@kedge/api";
import { CONFIG_MAPS, type Node, NODES, PODS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { SeededRandom } from "./seeded-random.ts";

const CONFIG_MAPS_COUNT = 20;
/** Of the steps, those that change something. */
const CHANGE_SHARE = 0.3;
const CALL_MS = 2_000;

/** ConfigMaps that a pod on the node needs, changed, deleted and made anew all the time. */
export class DownstreamWork {
  readonly #kube: KubeClient;
  readonly #random: SeededRandom;
  #changes = 0;

  private constructor(kube: KubeClient, seed: number) {
    this.#kube = kube;
    this.#random = new SeededRandom(seed ^ 0xd0);
  }

  static async start(kube: KubeClient, node: string, device: string, seed: number): Promise<DownstreamWork> {
    const signal = AbortSignal.timeout(30_000);
    const work = new DownstreamWork(kube, seed);
    const names = Array.from({ length: CONFIG_MAPS_COUNT }, (_, n) => `cm-${n}`);
    const labels = { "node-role.kubernetes.io/edge": "" };
    await kube.create<Node>(NODES, { metadata: { name: node, labels } }, signal);
    for (const name of names)
      await kube.create(CONFIG_MAPS, { metadata: { name, namespace: "default" }, data: { n: "0" } }, signal);
    await kube.create(
      PODS,
      {
        metadata: { name: "needs-all", namespace: "default" },
        spec: {
          nodeName: node,
          tolerations: [{ operator: "Exists" }],
          containers: [{ name: "main", image: "none" }],
          volumes: names.map((name) => ({ name, configMap: { name } })),
        },
      },
      signal,
    );
    const metadata = { name: device, namespace: "default" };
    await kube.create(
      DEVICE_MODELS,
      { metadata, spec: { properties: [{ name: "counter", type: "INT", accessMode: "ReadOnly" }], protocol: "mqtt" } },
      signal,
    );
    await kube.create(
      DEVICES,
      {
        metadata,
        spec: {
          deviceModelRef: { name: device },
          nodeName: node,
          protocol: { protocolName: "mqtt" },
          properties: [{ name: "counter", reportToCloud: true }],
        },
      },
      signal,
    );
    return work;
  }

  /** Perhaps changes something; what fails since the API server is away is left. */
  async step(): Promise<void> {
    if (this.#random.next() > CHANGE_SHARE) return;
    const name = `cm-${this.#random.between(0, CONFIG_MAPS_COUNT - 1)}`;
    const key = { namespace: "default", name };
    this.#changes += 1;
    const data = { n: String(this.#changes) };
    const signal = AbortSignal.timeout(CALL_MS);
    try {
      if (this.#random.next() < 0.15) await this.#kube.delete(CONFIG_MAPS, key, signal);
      else await this.#kube.patch(CONFIG_MAPS, key, { type: "merge", body: { data } }, signal);
    } catch {
      // away, or deleted before: then it comes anew, as another object of the same name
      await this.#kube
        .create(CONFIG_MAPS, { metadata: key, data }, AbortSignal.timeout(CALL_MS))
        .catch(() => undefined);
    }
  }

  /** What there is, by wire resource. */
  async state(): Promise<Map<string, { uid: string; version: string }>> {
    const { items } = await this.#kube.list(CONFIG_MAPS, { namespace: "default" }, AbortSignal.timeout(30_000));
    return new Map(
      items
        .filter(({ metadata }) => metadata?.name?.startsWith("cm-"))
        .map(({ metadata }) => [
          `default/configmap/${metadata?.name}`,
          { uid: metadata?.uid ?? "", version: metadata?.resourceVersion ?? "" },
        ]),
    );
  }
}
