import assert from "node:assert/strict";
import { test } from "node:test";
import { type Device, DEVICE_STATUSES, DEVICES, type DeviceStatus } from "@kedge/api";
import { KubeApiError, type KubeObject, type ResourceType } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { deferred, silentLogger, systemClock } from "@kedge/runtime";
import type { UpstreamMessage } from "../cloud-messages.ts";
import type { DeviceDownstream } from "./device-downstream.ts";
import { DeviceUpstream } from "./device-upstream.ts";
import type { DeviceView } from "./device-view.ts";
import { NewestTwins } from "./newest-twins.ts";
import { formatVersions, REPORTED_VERSIONS_ANNOTATION } from "./reported-versions.ts";
import { STATUS_WORKERS_MIN, StatusWriter } from "./status-writer.ts";

const KEY = "default/d";
const NODE = "n";

function deviceOf(nodeName: string): Device {
  return {
    metadata: { namespace: "default", name: "d", uid: "u", generation: 1 },
    spec: { nodeName, properties: [{ name: "t" }, { name: "h" }] },
  };
}

function notFound(): KubeApiError {
  return new KubeApiError({ status: "Failure", reason: "NotFound", code: 404, message: "not found" });
}

/** The upstream half of DeviceController: its copy of the cluster, and an API server, which are as a test makes them. */
class Bed implements AsyncDisposable {
  /** What our copy says. */
  known: Device | undefined = deviceOf(NODE);
  /** What the API server says. */
  device: Device = deviceOf(NODE);
  status: DeviceStatus | undefined;
  /** Called before the API server takes a write. */
  beforeWrite: () => Promise<void> = () => Promise.resolve();
  readonly newest = new NewestTwins();
  readonly #life = new AbortController();
  readonly #writer: StatusWriter;
  readonly #upstream: DeviceUpstream;
  #version = 1;

  constructor() {
    const none = { [Symbol.dispose]: () => undefined };
    const view = {
      devices: { get: () => this.known, onChange: () => none },
      statuses: { onChange: () => none },
      status: () => this.status,
      noteWritten: () => undefined,
      noteGone: () => undefined,
    } as unknown as DeviceView;
    const kube = {
      get: async (type: ResourceType) => {
        if ((type as unknown) === DEVICES) return this.device;
        throw notFound();
      },
      create: (type: ResourceType, object: DeviceStatus) => this.#write(type, object),
      patch: (type: ResourceType, _key: unknown, { body }: { body: DeviceStatus }) => this.#write(type, body),
    } as unknown as KubeClient;
    this.#writer = new StatusWriter(STATUS_WORKERS_MIN, { kube, view, logger: silentLogger, clock: systemClock });
    const downstream = {} as DeviceDownstream;
    const { newest } = this;
    const deps = { kube, view, writer: this.#writer, newest, downstream, logger: silentLogger, send: () => undefined };
    this.#upstream = new DeviceUpstream(deps, this.#life.signal);
  }

  async #write(type: ResourceType, object: DeviceStatus): Promise<KubeObject> {
    assert.equal(type as unknown, DEVICE_STATUSES);
    await this.beforeWrite();
    this.#version += 1;
    const annotations = { ...this.status?.metadata?.annotations, ...object.metadata?.annotations };
    const metadata = { namespace: "default", name: "d", annotations, resourceVersion: String(this.#version) };
    this.status = { metadata, status: { ...this.status?.status, ...object.status } };
    return this.status;
  }

  report(
    twins: Readonly<Record<string, readonly [value: string, edge: number]>>,
    how: { numbered?: UpstreamMessage["numbered"]; session?: AbortSignal } = {},
  ): Promise<void> {
    const twin = Object.fromEntries(
      Object.entries(twins).map(([name, [value, edge]]) => [
        name,
        { actual: { value }, actual_version: { cloud: 0, edge } },
      ]),
    );
    const message = {
      header: { msg_id: crypto.randomUUID(), timestamp: 1 },
      route: { source: "twin", group: "resource", operation: "update", resource: `device/${KEY}/twin/edge_updated` },
      content: { twin },
    };
    return this.#upstream.handle({ node: NODE, message, numbered: how.numbered }, how.session ?? this.#life.signal);
  }

  reported(name: string): string | undefined {
    return this.status?.status?.twins?.find(({ propertyName }) => propertyName === name)?.reported?.value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort();
    await this.#writer[Symbol.asyncDispose]();
  }
}

test("a report of a device that our copy does not know yet is stored", async () => {
  await using bed = new Bed();
  bed.known = undefined;
  await bed.report({ t: ["7", 1] });
  assert.equal(bed.reported("t"), "7");
});

test("a report of a device that was elsewhere, for all that our copy knows, is stored", async () => {
  await using bed = new Bed();
  bed.known = deviceOf("other");
  await bed.report({ t: ["7", 1] });
  assert.equal(bed.reported("t"), "7");
  bed.device = deviceOf("other");
  await bed.report({ t: ["8", 2] });
  assert.equal(bed.reported("t"), "7", "it is elsewhere");
});

test("what waits for the API server is not written once the session is void: it may be older than what there is", async () => {
  await using bed = new Bed();
  const session = new AbortController();
  const tried = deferred();
  const goOn = deferred();
  bed.beforeWrite = async () => {
    tried.resolve();
    await goOn.promise;
    throw new KubeApiError({ status: "Failure", reason: "ServiceUnavailable", code: 503, message: "away" });
  };
  const first = bed.report({ t: ["old", 1] }, { session: session.signal });
  await tried.promise;
  const second = bed.report({ h: ["old", 1] }, { session: session.signal });
  session.abort(); // another cloudcore has the node now
  goOn.resolve();
  await Promise.all([first, second]);
  bed.beforeWrite = () => Promise.resolve();
  bed.newest.forget(KEY);
  await bed.report({ t: ["new", 2] });
  await bed.report({ t: ["newer", 3] });
  assert.equal(bed.reported("t"), "newer");
  assert.equal(bed.reported("h"), undefined);
});

test("of names that an edge makes up nothing is kept", async () => {
  await using bed = new Bed();
  const madeUp = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`x${n}`, ["1", 1] as const]));
  await bed.report({ ...madeUp, t: ["7", 1] }, { numbered: { stream: "s", repeated: false } });
  assert.deepEqual([...bed.newest.versions(KEY).keys()], ["reported/t"]);
  assert.equal(bed.reported("t"), "7");
});

test("what comes again sets nothing back, and what follows it counts, also from a database put back as it was", async () => {
  await using bed = new Bed();
  const versions = new Map([
    ["reported/t", { cloud: 0, edge: 9 }],
    ["reported/h", { cloud: 0, edge: 9 }],
  ]);
  const annotation = formatVersions("s", bed.device, versions) ?? "";
  const metadata = { name: "d", namespace: "default", annotations: { [REPORTED_VERSIONS_ANNOTATION]: annotation } };
  const twins = ["t", "h"].map((propertyName) => ({ propertyName, reported: { value: "nine" } }));
  bed.status = { metadata, status: { twins } };
  await bed.report({ t: ["six", 6] }, { numbered: { stream: "s", repeated: true } });
  assert.equal(bed.reported("t"), "nine");
  await bed.report({ t: ["seven", 7] }, { numbered: { stream: "s", repeated: false } });
  assert.equal(bed.reported("t"), "seven", "the node's database knows nothing of the ninth");
  bed.newest.forget(KEY); // a restart
  await bed.report({ h: ["eight", 8] }, { numbered: { stream: "s", repeated: true } });
  assert.equal(bed.reported("h"), "nine", "still known");
});

test("versions that are too many for an annotation cost the report nothing", async () => {
  await using bed = new Bed();
  const names = Array.from({ length: 5_000 }, (_, n) => `a-property-of-a-large-device-${n}`);
  const spec = { nodeName: NODE, properties: names.map((name) => ({ name })) };
  bed.known = bed.device = { ...deviceOf(NODE), spec };
  const twins = Object.fromEntries(names.map((name) => [name, ["1", 1] as const]));
  await bed.report(twins, { numbered: { stream: "s", repeated: false } });
  assert.equal(bed.reported("a-property-of-a-large-device-4999"), "1");
  assert.equal(bed.status?.metadata?.annotations?.[REPORTED_VERSIONS_ANNOTATION], undefined);
});
