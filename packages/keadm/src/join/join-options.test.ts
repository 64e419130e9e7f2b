import assert from "node:assert/strict";
import { test } from "node:test";
import { cloudAddress, expectNodeName, nodeLabels } from "./join-options.ts";

test("the four addresses of the cloud follow from one", () => {
  assert.deepEqual(cloudAddress("192.0.2.1:10000"), {
    host: "192.0.2.1",
    cloudHub: "192.0.2.1:10000",
    https: "https://192.0.2.1:10002",
    quic: "192.0.2.1:10001",
    tunnel: "192.0.2.1:10004",
  });
  const v6 = cloudAddress("[2001:db8::1]:30000", "30002");
  assert.deepEqual(
    [v6.host, v6.cloudHub, v6.https],
    ["2001:db8::1", "[2001:db8::1]:30000", "https://[2001:db8::1]:30002"],
  );
});

for (const address of [
  "",
  "host",
  "host:",
  ":1",
  "host:0",
  "host:70000",
  "2001:db8::1:1",
  "[host]:1",
  "https://host:1",
  "a/b:1",
])
  test(`-e ${address} is refused`, () => assert.throws(() => cloudAddress(address), /write it as host:port/));

test("a port that is none is refused", () => {
  for (const port of ["", "0", "65536", "x"]) assert.throws(() => cloudAddress("host:1", port), /--certport/);
});

for (const name of ["", "A", "a_b", "-a", "a-", "a..b", "a".repeat(64)])
  test(`${JSON.stringify(name)} is no node name`, () =>
    assert.throws(() => expectNodeName(name), /cannot be a node's name/));
test("names with dots and dashes are", () => assert.equal(expectNodeName("edge-1.example"), "edge-1.example"));

test("labels come one by one, with commas, or without a value", () => {
  assert.deepEqual(nodeLabels(["a=1,b=2", "example.org/site=north", "c"]), {
    a: "1",
    b: "2",
    "example.org/site": "north",
    c: "",
  });
  assert.throws(() => nodeLabels(["a b=1"]), /-l a b=1 is no label/);
  assert.throws(() => nodeLabels(["=1"]), /is no label/);
});
