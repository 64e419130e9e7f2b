import assert from "node:assert/strict";
import { test } from "node:test";
import { KubeApiError } from "@kedge/kube";
import { errStatus, readObjectResp, readOk, readQueriedObject } from "./response-content.ts";
import { frameVector } from "./vectors.test-data.ts";

const refusals = [
  { vector: "resp_node_register_already_exists", code: "AlreadyExists", httpStatus: 409 },
  { vector: "resp_lease_conflict", code: "Conflict", httpStatus: 409 },
  { vector: "resp_podpatch_transport_error", code: "InternalError", httpStatus: 500 },
  { vector: "resp_node_register_plain_error", code: "InternalError", httpStatus: 500 },
];
for (const { vector, code, httpStatus } of refusals)
  test(`W24: ${vector} is an error, whatever its shape`, () =>
    assert.throws(
      () => readObjectResp(frameVector(vector).content),
      (error) => error instanceof KubeApiError && error.code === code && error.details.httpStatus === httpStatus,
    ));

test("W24: an answer without object and without error is an error, too", () =>
  assert.throws(() => readObjectResp({ Object: null, Err: null }), KubeApiError));

for (const vector of [
  "resp_node_register_ok",
  "resp_nodepatch_ok",
  "resp_podpatch_ok",
  "resp_lease_ok",
  "resp_csr_insert",
])
  test(`${vector} gives its object`, () => assert.ok(readObjectResp(frameVector(vector).content).metadata?.name));

test("W23: a query's error is not taken for the object", () => {
  assert.throws(() => readQueriedObject(frameVector("resp_query_configmap_notfound").content), { code: "NotFound" });
  for (const content of [
    null,
    {},
    "",
    "OK",
    [],
    7,
    { kind: "Status", status: "Failure", code: 403, reason: "Forbidden" },
  ])
    assert.throws(() => readQueriedObject(content), KubeApiError);
});

for (const vector of ["resp_query_configmap", "resp_query_secret", "resp_serviceaccounttoken"])
  test(`${vector} gives its object`, () => {
    const { content } = frameVector(vector);
    assert.equal(readQueriedObject(content), content);
  });

test("only OK says yes", () => {
  readOk(frameVector("resp_pod_delete_ok").content);
  for (const content of ["no", {}, null, { ErrStatus: { status: "Failure", code: 404, reason: "NotFound" } }])
    assert.throws(() => readOk(content), KubeApiError);
});

test("an error that is sent always has a filled status, and comes back as itself", () => {
  const notFound = new KubeApiError({ status: "Failure", code: 404, reason: "NotFound", message: "no such pod" });
  assert.throws(() => readObjectResp({ Object: null, Err: errStatus(notFound) }), {
    code: "NotFound",
    message: "no such pod",
  });
  for (const thrown of [new Error("ECONNREFUSED"), "text", undefined]) {
    const { ErrStatus } = errStatus(thrown);
    assert.equal(ErrStatus.status, "Failure");
    assert.equal(ErrStatus.code, 500);
    assert.equal(ErrStatus.reason, "InternalError");
  }
});
