import { NODE_STATUS_PATCH_SCHEMA, type PatchSchema, POD_STATUS_PATCH_SCHEMA } from "@kedge/kube";

/** A change of a status as an edge node makes it, told with the small schemas that it has. */
export interface StatusChange {
  readonly name: string;
  readonly kind: string;
  /** Name of the sample object. */
  readonly object: string;
  readonly schema: PatchSchema;
  readonly change: (status: Record<string, unknown>) => void;
}

export const STATUS_CHANGES: readonly StatusChange[] = [
  {
    name: "a pod starts",
    kind: "Pod",
    object: "pod",
    schema: POD_STATUS_PATCH_SCHEMA,
    change: (status) =>
      Object.assign(status, {
        phase: "Running",
        startTime: "2026-01-01T00:00:00Z",
        hostIP: "10.0.0.1",
        hostIPs: [{ ip: "10.0.0.1" }],
        conditions: [
          { type: "Initialized", status: "True" },
          { type: "Ready", status: "False", reason: "ContainersNotReady" },
        ],
      }),
  },
  {
    name: "its conditions change, in another order",
    kind: "Pod",
    object: "pod",
    schema: POD_STATUS_PATCH_SCHEMA,
    change: (status) =>
      Object.assign(status, {
        conditions: [
          { type: "Ready", status: "True" },
          { type: "ContainersReady", status: "True" },
          { type: "Initialized", status: "True" },
        ],
      }),
  },
  {
    name: "its address changes and a condition goes",
    kind: "Pod",
    object: "pod",
    schema: POD_STATUS_PATCH_SCHEMA,
    change: (status) =>
      Object.assign(status, {
        podIP: "10.1.0.9",
        podIPs: [{ ip: "10.1.0.9" }],
        conditions: [{ type: "Ready", status: "True" }],
      }),
  },
  {
    name: "a node beats",
    kind: "Node",
    object: "node",
    schema: NODE_STATUS_PATCH_SCHEMA,
    change: (status) => {
      const conditions = status["conditions"] as { type: string; lastHeartbeatTime?: string }[];
      for (const condition of conditions) condition.lastHeartbeatTime = "2026-02-02T00:00:00Z";
    },
  },
  {
    name: "a node's addresses, room and conditions change",
    kind: "Node",
    object: "node",
    schema: NODE_STATUS_PATCH_SCHEMA,
    change: (status) =>
      Object.assign(status, {
        addresses: [
          { type: "Hostname", address: "n2" },
          { type: "InternalIP", address: "10.0.0.10" },
          { type: "InternalIP", address: "fd00::10" },
        ],
        capacity: { cpu: "4", memory: "1Gi" },
        conditions: [{ type: "Ready", status: "Unknown", reason: "R" }],
        images: undefined,
      }),
  },
];
