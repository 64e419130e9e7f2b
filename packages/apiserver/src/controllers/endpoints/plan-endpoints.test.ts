import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointSlice, Pod, Service } from "@kedge/kube";
import { planEndpoints, sameSubsets } from "./plan-endpoints.ts";
import { planEndpointSlices } from "./plan-endpoint-slices.ts";
import { addressTypesOf, backendsOf, hasOwnEndpoints } from "./service-endpoints.ts";

const service = (spec: Partial<NonNullable<Service["spec"]>> = {}): Service => ({
  metadata: { namespace: "n", name: "web", uid: "s", labels: { team: "a" } },
  spec: {
    selector: { app: "web" },
    ports: [{ name: "http", port: 80, targetPort: "http" }],
    ipFamilies: ["IPv4"],
    ...spec,
  },
});

interface Parts {
  readonly ip?: string;
  readonly ready?: boolean;
  readonly deleting?: boolean;
  readonly phase?: string;
  readonly port?: number;
}
function pod(
  name: string,
  { ip = `10.0.0.${name}`, ready = true, deleting = false, phase = "Running", port = 8080 }: Parts = {},
): Pod {
  return {
    metadata: { namespace: "n", name, uid: name, ...(deleting ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}) },
    spec: {
      nodeName: "node-a",
      hostname: `h${name}`,
      subdomain: "web",
      containers: [{ name: "c", ports: [{ name: "http", containerPort: port }] }],
    },
    status: {
      phase,
      podIPs: [{ ip }, { ip: `fd00::${name}` }],
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
    },
  };
}
const zone = () => ({ metadata: { labels: { "topology.kubernetes.io/zone": "z1" } } });
const backends = (subject: Service, pods: Pod[]) => backendsOf(subject, pods, "IPv4", zone);
const slices = (subject: Service, pods: Pod[], existing: EndpointSlice[] = []) =>
  planEndpointSlices(
    subject,
    new Map(addressTypesOf(subject).map((type) => [type, backendsOf(subject, pods, type, zone)])),
    existing,
  );

test("puts ready and unready pods where they belong, and leaves out what has ended or has no address", () => {
  const pods = [
    pod("1"),
    pod("2", { ready: false }),
    pod("3", { phase: "Failed" }),
    pod("4", { deleting: true }),
    pod("5", { ip: "" }),
  ];
  const { subsets, metadata } = planEndpoints(service(), backends(service(), pods));
  assert.deepEqual(
    subsets?.map(({ addresses, notReadyAddresses, ports }) => [
      addresses?.map(({ ip }) => ip),
      notReadyAddresses?.map(({ ip }) => ip),
      ports,
    ]),
    [[["10.0.0.1"], ["10.0.0.2"], [{ name: "http", port: 8080, protocol: "TCP" }]]],
  );
  assert.deepEqual(subsets?.[0]?.addresses?.[0], {
    ip: "10.0.0.1",
    hostname: "h1",
    nodeName: "node-a",
    targetRef: { kind: "Pod", namespace: "n", name: "1", uid: "1" },
  });
  assert.equal(metadata?.labels?.["team"], "a");
});

test("says of terminating pods whether they still serve", () => {
  const [slice] = slices(service(), [pod("1", { deleting: true }), pod("2", { deleting: true, ready: false })]).create;
  assert.deepEqual(
    slice?.endpoints.map(({ conditions }) => conditions),
    [
      { ready: false, serving: true, terminating: true },
      { ready: false, serving: false, terminating: true },
    ],
  );
  assert.equal(slice.endpoints[0]?.zone, "z1");
});

test("publishes the unready where a Service asks for it", () => {
  const subject = service({ publishNotReadyAddresses: true });
  const [slice] = slices(subject, [pod("1", { ready: false })]).create;
  assert.deepEqual(slice?.endpoints[0]?.conditions, { ready: true, serving: false, terminating: false });
});

test("a port's name means what each pod means by it", () => {
  const pods = [pod("1"), pod("2", { port: 9090 }), pod("3")];
  const plan = slices(service(), pods);
  assert.deepEqual(
    plan.create.map(({ ports, endpoints }) => [ports?.[0]?.port, endpoints.length]),
    [
      [8080, 2],
      [9090, 1],
    ],
  );
  assert.equal(planEndpoints(service(), backends(service(), pods)).subsets?.length, 2);
  const nameless = service({ ports: [{ name: "x", port: 80, targetPort: "unknown" }] });
  assert.equal(planEndpoints(nameless, backends(nameless, pods)).subsets, undefined);
});

test("a headless Service without ports has addresses alone", () => {
  const subject = service({ clusterIP: "None", ports: [] });
  const endpoints = planEndpoints(subject, backends(subject, [pod("1")]));
  assert.deepEqual(
    endpoints.subsets?.map(({ addresses, ports }) => [addresses?.length, ports]),
    [[1, undefined]],
  );
  assert.equal(endpoints.metadata?.labels?.["service.kubernetes.io/headless"], "");
});

test("has slices for each family, of at most a hundred endpoints", () => {
  const subject = service({ ipFamilies: ["IPv4", "IPv6"] });
  const pods = Array.from({ length: 250 }, (_, index) => pod(`${index}`));
  const { create } = slices(subject, pods);
  assert.deepEqual(
    create.map(({ addressType, endpoints }) => `${addressType} ${endpoints.length}`),
    ["IPv4 100", "IPv4 100", "IPv4 50", "IPv6 100", "IPv6 100", "IPv6 50"],
  );
});

test("changes only the slice that differs, reuses and removes, and then rests", () => {
  const pods = [pod("1"), pod("2", { port: 9090 })];
  const first = slices(service(), pods).create.map((slice, index) => ({
    ...slice,
    metadata: { ...slice.metadata, name: `slice-${index}` },
  }));
  assert.deepEqual(slices(service(), pods, first), { create: [], update: [], remove: [] });
  const changed = slices(service(), [pod("1", { ready: false })], first);
  assert.deepEqual(
    changed.update.map(({ metadata }) => metadata?.name),
    ["slice-0"],
  );
  assert.deepEqual(
    changed.remove.map(({ metadata }) => metadata?.name),
    ["slice-1"],
  );
});

test("leaves alone what others look after", () => {
  assert.equal(hasOwnEndpoints({ spec: { ports: [] } }), true);
  assert.equal(hasOwnEndpoints(service({ selector: {} })), true);
  assert.equal(hasOwnEndpoints(service({ type: "ExternalName" })), true);
  assert.equal(hasOwnEndpoints(service()), false);
});

test("does not mind in which order the server keeps addresses", () => {
  const ports = [{ port: 80 }];
  assert.ok(
    sameSubsets([{ addresses: [{ ip: "1" }, { ip: "2" }], ports }], [{ addresses: [{ ip: "2" }, { ip: "1" }], ports }]),
  );
  assert.ok(!sameSubsets([{ addresses: [{ ip: "1" }], ports }], [{ notReadyAddresses: [{ ip: "1" }], ports }]));
});
