import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutToken } from "./edgecore-config-file.ts";

const cases = [
  {
    name: "plain",
    yaml: "modules:\n  edgeHub:\n    token: a.b.c.d # mine\n    x: 1\n",
    want: 'modules:\n  edgeHub:\n    token: "" # mine\n    x: 1\n',
  },
  { name: "quoted", yaml: "modules: {edgeHub: {token: 'a.b'}}\n", want: 'modules: {edgeHub: {token: ""}}\n' },
  {
    name: "JSON",
    yaml: '{"modules":{"edgeHub":{"token":"a.b","y":2}}}',
    want: '{"modules":{"edgeHub":{"token":"","y":2}}}',
  },
  {
    name: "folded",
    yaml: "modules:\n  edgeHub:\n    token: >-\n      a.b\n    x: 1\n",
    want: 'modules:\n  edgeHub:\n    token: ""\n    x: 1\n',
  },
];
for (const { name, yaml, want } of cases)
  test(`forgets a ${name} token and leaves all else as it is`, () => assert.equal(withoutToken(yaml), want));

test("leaves a file without a token alone", () => {
  for (const yaml of ["", "modules:\n  edgeHub: {}\n", 'modules:\n  edgeHub:\n    token: ""\n', "a: 1\n"])
    assert.equal(withoutToken(yaml), yaml);
});
