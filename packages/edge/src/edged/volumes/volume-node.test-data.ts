import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type {
  ConfigMap,
  CSIDriver,
  CSINode,
  Node,
  ObjectKey,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Secret,
  Volume,
  VolumeAttachment,
  VolumeMount,
} from "@kedge/kube";
import { type Clock, MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import type { EdgeMessages, EdgeNotices } from "../../edge-messages.ts";
import { mountPointsBelow, unmount } from "./run-mount.ts";
import { VolumeManager } from "./volume-manager.ts";

export const signal = new AbortController().signal;
export const root = process.getuid?.() === 0;
export const needsRoot = root ? false : "mounting needs root";
export const base64 = (text: string) => Buffer.from(text).toString("base64");

/** A node's volumes and what the store holds; everything is unmounted and removed at the end. */
export class VolumeNode implements AsyncDisposable {
  readonly #scope = new AsyncDisposableStack();
  readonly rootDirectory = mkdtempSync(join(tmpdir(), "kedge-volumes-"));
  readonly bus = new MessageBus<EdgeMessages, EdgeNotices>();
  readonly configMaps: Record<string, ConfigMap> = {};
  readonly secrets: Record<string, Secret> = {};
  readonly claims: Record<string, PersistentVolumeClaim> = {};
  readonly persistentVolumes: Record<string, PersistentVolume> = {};
  readonly attachments: Record<string, VolumeAttachment> = {};
  readonly csiDrivers: Record<string, CSIDriver> = {};
  readonly sizes: { readonly key: ObjectKey; readonly size: { readonly uid: string; readonly storage: string } }[] = [];
  readonly csiNodes: { readonly csiNode: CSINode; readonly partial: boolean }[] = [];
  node: Node | undefined;
  offline = false;
  tokensIssued = 0;
  /** What MetaManager has while the cloud is away. */
  cachedToken: { token: string; expirationTimestamp: string } | undefined;
  nowMs = Date.parse("2026-01-01T00:00:00Z");
  readonly clock: Clock = { ...systemClock, now: () => this.nowMs };

  constructor() {
    this.bus.handle("meta/getConfigMap", ({ name }) => this.configMaps[name]);
    this.bus.handle("meta/getSecret", ({ name }) => this.secrets[name]);
    this.bus.handle("meta/getVolumeClaim", ({ name }) => this.claims[name]);
    this.bus.handle("meta/getVolume", ({ name }) => this.persistentVolumes[name]);
    this.bus.handle("meta/getVolumeAttachment", ({ name }) => this.attachments[name]);
    this.bus.handle("meta/getCsiDriver", ({ name }) => this.csiDrivers[name]);
    this.bus.handle("meta/reportClaimSize", (report) => void this.sizes.push(report));
    this.bus.handle("meta/publishCsiNode", (request) => {
      if (this.offline) throw new Error("the cloud is not connected");
      this.csiNodes.push(request);
      return request.csiNode;
    });
    this.bus.handle("meta/requestToken", ({ namespace, serviceAccount, token }) => {
      if (this.offline && this.cachedToken !== undefined) return { ...token, status: this.cachedToken };
      if (this.offline) throw new Error("the cloud is not connected");
      this.tokensIssued += 1;
      const endsMs = this.nowMs + Number(token.spec.expirationSeconds) * 1000;
      const text = `${namespace}/${serviceAccount}/${token.spec.audiences.join()}/${this.tokensIssued}`;
      return { ...token, status: { token: text, expirationTimestamp: new Date(endsMs).toISOString() } };
    });
  }

  /** A claim and what it is bound to. */
  bind(name: string, spec: NonNullable<PersistentVolume["spec"]>): void {
    const uid = `claim-${name}`;
    this.claims[name] = {
      metadata: { name, namespace: "shop", uid },
      spec: { volumeName: `pv-${name}` },
      status: { phase: "Bound", capacity: { storage: "1Gi" } },
    };
    this.persistentVolumes[`pv-${name}`] = {
      metadata: { name: `pv-${name}` },
      spec: { capacity: { storage: "1Gi" }, claimRef: { namespace: "shop", name, uid }, ...spec },
    };
  }

  async volumes(): Promise<VolumeManager> {
    const allocatable = () => ({ cpu: "2", memory: "1Gi" });
    const node = { name: "edge-1", node: () => this.node };
    const deps = { bus: this.bus, logger: silentLogger, clock: this.clock, node };
    return this.#scope.use(await VolumeManager.open({ rootDirectory: this.rootDirectory, allocatable }, deps));
  }

  path(volume: string, ...rest: string[]): string {
    return join(this.rootDirectory, "pods/uid-1/volumes", volume, ...rest);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
    for (const mounted of await mountPointsBelow(this.rootDirectory)) await unmount(mounted, signal);
    rmSync(this.rootDirectory, { recursive: true, force: true });
  }
}

export function podWith(
  volume: Volume,
  spec: Partial<NonNullable<Pod["spec"]>> = {},
  mount: Partial<VolumeMount> = {},
): Pod {
  const volumeMounts = [{ name: volume.name, mountPath: "/v", ...mount }];
  return {
    metadata: { name: "p", namespace: "shop", uid: "uid-1", labels: { app: "web" } },
    spec: { containers: [{ name: "c", volumeMounts }], volumes: [volume], serviceAccountName: "runner", ...spec },
  };
}

export async function mountOf(volumes: VolumeManager, pod: Pod, environment: { name: string; value: string }[] = []) {
  const [container] = pod.spec?.containers ?? [];
  assert.ok(container);
  const [mount] = await volumes.mountsFor(pod, container, environment, signal);
  assert.ok(mount);
  return mount;
}
