import assert from "node:assert/strict";
import { test } from "node:test";
import { type ConfigSchema, loadConfig } from "@kedge/runtime";
import { assert as check, property, string } from "fast-check";
import { applySets, parseSets } from "./set-values.ts";

const cases: readonly { text: string; path: (string | number)[]; value: unknown }[] = [
  { text: "a.b=1", path: ["a", "b"], value: 1 },
  { text: "a=true", path: ["a"], value: true },
  { text: "a=null", path: ["a"], value: null },
  { text: "a=", path: ["a"], value: "" },
  { text: "a=0644", path: ["a"], value: "0644" },
  { text: "a=x=y", path: ["a"], value: "x=y" },
  { text: "list[0].name=x", path: ["list", 0, "name"], value: "x" },
  { text: "a={x,2,false}", path: ["a"], value: ["x", 2, false] },
  { text: "a={}", path: ["a"], value: [] },
  { text: String.raw`a=x\,y`, path: ["a"], value: "x,y" },
  { text: String.raw`labels.example\.org/site=north`, path: ["labels", "example.org/site"], value: "north" },
];
for (const { text, path, value } of cases)
  test(`--set ${text}`, () =>
    assert.deepEqual(
      parseSets([text]).map((set) => [set.path, set.value]),
      [[path, value]],
    ));

test("several values are separated by commas, or given one by one", () => {
  assert.deepEqual(
    parseSets(["a=1,b=2", "c=3"]).map(({ path }) => path[0]),
    ["a", "b", "c"],
  );
});

for (const text of ["a", "=1", "a..b=1", "a[x]=1", "a[9999999]=1", "__proto__.x=1", "a.__proto__=1"])
  test(`--set ${text} is refused`, () => assert.throws(() => parseSets([text]), /--set .*: write it as|--set/));

test("whatever is written, it is read or refused, and never reaches a prototype", () => {
  check(
    property(string({ maxLength: 60 }), (text) => {
      try {
        const base = {};
        applySets(base, parseSets([text]), (values) => ({ warnings: [], values }));
      } catch (error) {
        assert.equal((error as Error).name, "KeadmError");
      }
      assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
      assert.deepEqual(Object.keys(Object.prototype), []);
    }),
  );
});

const SCHEMA: ConfigSchema = {
  type: "object",
  default: {},
  properties: {
    text: { type: "string", default: "" },
    number: { type: "integer", default: 0, minimum: 0 },
    group: { type: "object", default: {}, properties: { on: { type: "boolean", default: false } } },
  },
};
const set = (...texts: string[]) => applySets({}, parseSets(texts), (values) => loadConfig(SCHEMA, values)).values;

test("what looks like a number goes to a key that holds text as it was written", () => {
  assert.deepEqual(set("text=1e3,number=7"), { text: "1e3", number: 7 });
  assert.deepEqual(set("text=42"), { text: "42" });
  assert.deepEqual(set("text=true"), { text: "true" });
});

test("a key that does not exist is an error, and one that was there before is not", () => {
  assert.throws(() => set("group.off=true"), /--set group\.off: there is no such key/);
  assert.throws(() => set("nothing=1"), /--set nothing: there is no such key/);
  const old = { strange: 1 };
  assert.deepEqual(applySets(old, parseSets(["number=1"]), (values) => loadConfig(SCHEMA, values)).values, {
    strange: 1,
    number: 1,
  });
});

test("a value of the wrong kind is named", () => {
  assert.throws(() => set("number=many"), /number: is "many"/);
  assert.throws(() => set("number=-1"), /number: is/);
  assert.throws(() => set("group[0]=1"), /group: is/);
});
