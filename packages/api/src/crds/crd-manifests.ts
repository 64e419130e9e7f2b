import { Type, type TSchema } from "typebox";
import { DeviceModelSpec, DeviceSpec, DeviceStatusStatus } from "../devices/device-schema.ts";
import {
  DeviceModelSpecV1alpha2,
  DeviceSpecV1alpha2,
  DeviceStatusV1alpha2,
} from "../devices/device-v1alpha2-schema.ts";
import { DEVICE_MODELS, DEVICE_STATUSES, DEVICES } from "../devices/devices.ts";
import { CLUSTER_OBJECT_SYNCS, OBJECT_SYNCS } from "../reliablesyncs/object-sync.ts";
import { ObjectSyncSpec, ObjectSyncStatus } from "../reliablesyncs/object-sync-schema.ts";
import { free } from "./crd-fields.ts";
import { type CrdFacts, customResourceDefinition, type PrinterColumn } from "./custom-resource-definition.ts";

const AGE: PrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };
const text = (name: string, jsonPath: string, description?: string): PrinterColumn => ({
  name,
  type: "string",
  jsonPath,
  ...(description !== undefined && { description }),
});
/** Shown by `kubectl get -o wide` only. */
const wide = (column: PrinterColumn): PrinterColumn => ({ ...column, priority: 1 });

const object = (members: Record<string, TSchema>): TSchema => Type.Partial(Type.Object(members));

const CRDS: readonly CrdFacts[] = [
  {
    ...DEVICES,
    versions: [
      {
        name: "v1beta1",
        storage: true,
        description: "A device at the edge.",
        schema: object({ spec: DeviceSpec, status: free("Legacy: reportToCloud and reportCycle.") }),
        columns: [
          text("Node", ".spec.nodeName"),
          text("Model", ".spec.deviceModelRef.name"),
          text("Protocol", ".spec.protocol.protocolName"),
          // A printer column shows one value: the first property stands for all.
          wide(text("Property", ".spec.properties[0].name", "The first property.")),
          wide(text("Desired", ".spec.properties[0].desired.value", "Desired value of the first property.")),
          AGE,
        ],
      },
      {
        name: "v1alpha2",
        storage: false,
        description: "A device at the edge, as older clients know it. Nothing acts on this version.",
        schema: object({ spec: DeviceSpecV1alpha2, status: DeviceStatusV1alpha2 }),
        columns: [text("Model", ".spec.deviceModelRef.name"), AGE],
      },
    ],
  },
  {
    ...DEVICE_MODELS,
    versions: [
      {
        name: "v1beta1",
        storage: true,
        description: "What devices of one kind have in common.",
        schema: object({ spec: DeviceModelSpec }),
        columns: [text("Protocol", ".spec.protocol"), AGE],
      },
      {
        name: "v1alpha2",
        storage: false,
        description: "A device model, as older clients know it. Nothing acts on this version.",
        schema: object({ spec: DeviceModelSpecV1alpha2 }),
        columns: [AGE],
      },
    ],
  },
  {
    ...DEVICE_STATUSES,
    versions: [
      {
        name: "v1beta1",
        storage: true,
        description: "What the edge said last of the Device of this name. Written by CloudCore.",
        schema: object({ spec: object({}), status: DeviceStatusStatus }),
        columns: [
          text("State", ".status.state"),
          { name: "Last Online", type: "date", jsonPath: ".status.lastOnlineTime" },
          text("Property", ".status.twins[0].propertyName", "The first property."),
          text("Reported", ".status.twins[0].reported.value", "Reported value of the first property."),
          wide(text("Desired", ".status.twins[0].observedDesired.value", "The value that the device works with.")),
          AGE,
        ],
      },
      {
        name: "v1alpha2",
        storage: false,
        description: "Not used by any program; listed because the reference's CRD lists it.",
        schema: object({ spec: object({}), twins: DeviceStatusV1alpha2.properties.twins }),
        columns: [AGE],
      },
    ],
  },
  ...[OBJECT_SYNCS, CLUSTER_OBJECT_SYNCS].map((type): CrdFacts => ({
    ...type,
    versions: [
      {
        name: "v1alpha1",
        storage: true,
        statusSubresource: true,
        description: "What one edge node holds of one object. Name: <node>.<uid of the object>. Written by CloudCore.",
        schema: object({ spec: ObjectSyncSpec, status: ObjectSyncStatus }),
        columns: [
          text("Kind", ".spec.objectKind"),
          text("Object", ".spec.objectName"),
          text("Version", ".status.objectResourceVersion", "What the node acknowledged last."),
          AGE,
        ],
      },
    ],
  })),
];

/** The CustomResourceDefinitions of all kinds, by file name below `manifests/crds/`. */
export function crdManifests(): ReadonlyMap<string, object> {
  return new Map(CRDS.map((facts) => [`${facts.group}_${facts.resource}.yaml`, customResourceDefinition(facts)]));
}
