import assert from "node:assert/strict";
import { test } from "node:test";
import { negotiate } from "./negotiate.ts";

const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const cases = [
  { accept: undefined, as: "Object" },
  { accept: "", as: "Object" },
  { accept: "*/*", as: "Object" },
  { accept: "application/json", as: "Object" },
  { accept: "application/vnd.kubernetes.protobuf, application/json", as: "Object" },
  { accept: `${TABLE},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json`, as: "Table" },
  { accept: "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", as: "PartialObjectMetadata" },
  { accept: "application/json;as=Something;v=v1;g=meta.k8s.io,application/json", as: "Object" },
  {
    accept:
      "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
    as: "PartialObjectMetadata",
  },
] as const;
for (const { accept, as } of cases)
  test(`Accept: ${accept ?? "(none)"} → ${as}`, () => assert.equal(negotiate(accept).as, as));

for (const accept of [
  "text/html",
  "application/vnd.kubernetes.protobuf",
  "application/json;as=Nope;v=v1;g=meta.k8s.io",
])
  test(`Accept: ${accept} → 406`, () => assert.throws(() => negotiate(accept), { code: "NotAcceptable" }));
