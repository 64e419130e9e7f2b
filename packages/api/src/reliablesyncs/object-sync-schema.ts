import type { Static } from "typebox";
import { fields, text } from "../crds/crd-fields.ts";

export const ObjectSyncSpec = fields(
  {
    objectAPIVersion: text("apiVersion of the object."),
    objectKind: text("Kind of the object."),
    objectName: text("Name of the object."),
  },
  { description: "The object that the node holds." },
);
export type ObjectSyncSpec = Static<typeof ObjectSyncSpec>;

export const ObjectSyncStatus = fields(
  { objectResourceVersion: text("Version of the object that the node acknowledged last; 0: none yet.") },
  { description: "How far the node is." },
);
export type ObjectSyncStatus = Static<typeof ObjectSyncStatus>;
