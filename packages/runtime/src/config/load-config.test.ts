import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "./config-error.ts";
import type { ConfigSchema } from "./config-schema.ts";
import { CONFIG_BYTES_MAX, loadConfig } from "./load-config.ts";
import { renderConfig } from "./config-defaults.ts";

const schema: ConfigSchema<unknown> = {
  type: "object",
  properties: {
    name: { type: "string", default: "<hostname>", "x-minimal": true },
    token: { type: "string", default: "", "x-secret": true },
    every: { type: "string", format: "go-duration", default: "1m30s" },
    mode: { type: "integer", enum: [0, 1, 2], default: 2 },
    limit: { type: "integer", minimum: 1, maximum: 10 },
    share: { type: "number", minimum: 0, default: 0.5 },
    names: { type: "array", items: { type: "string" }, default: ["<hostname>"] },
    labels: { type: "object", additionalProperties: { type: "string" } },
    reserved: { type: "object", additionalProperties: { type: "string" }, default: { memory: "1Mi" } },
    modules: {
      type: "object",
      properties: {
        old: { type: "object", properties: { enable: { type: "boolean", default: true, "x-switch": true } } },
        future: { type: "object", properties: { enable: { type: "boolean", default: false, "x-switch": true } } },
      },
    },
  },
};
const options = { variables: { hostname: "edge-1" }, supported: new Set(["modules.old.enable"]) };
const defaults = {
  name: "edge-1",
  token: "",
  every: 90_000,
  mode: 2,
  share: 0.5,
  names: ["edge-1"],
  reserved: { memory: "1Mi" },
  modules: { old: { enable: true }, future: { enable: false } },
};

function load(source: string | object) {
  return loadConfig(schema, source, options);
}
function problems(source: string | object): string[] {
  try {
    load(source);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.details.problems.map(({ path, value, expected }) => `${path}|${value}|${expected}`);
  }
  return [];
}

test("an empty file gives the defaults, with variables and durations resolved", () => {
  for (const empty of ["", "---\n", "{}", {}]) assert.deepEqual(load(empty), { config: defaults, warnings: [] });
});

test("null says nothing, as in Go", () => {
  assert.deepEqual(load("name: null\nmodules:\nreserved: ~\n").config, defaults);
});

test("values of the file go before defaults; maps and lists are replaced whole", () => {
  const { config } = load("every: 10s\nlimit: 3\nnames: [a, b]\nlabels: {x: y}\nreserved: {cpu: '1'}\n");
  assert.deepEqual(config, {
    ...defaults,
    every: 10_000,
    limit: 3,
    names: ["a", "b"],
    labels: { x: "y" },
    reserved: { cpu: "1" },
  });
});

test("an unknown key is a warning with its path", () => {
  const { warnings } = load("modules: {old: {speed: 3}}\nextra: 1\n");
  assert.deepEqual(
    warnings.map(({ kind, path }) => [kind, path]),
    [
      ["unknown-key", "extra"],
      ["unknown-key", "modules.old.speed"],
    ],
  );
});

test("a key in other letter case is read, with a warning", () => {
  const { config, warnings } = load("NAME: n\n");
  assert.deepEqual(config, { ...defaults, name: "n" });
  assert.deepEqual(
    warnings.map(({ kind, path }) => [kind, path]),
    [["spelling", "NAME"]],
  );
});

test("all wrong values are reported at once, with path, value and expectation; secrets stay hidden", () => {
  const text = "token: 5\nevery: 3\nmode: 7\nlimit: 11\nnames: [a, 2]\nlabels: {x: 1}\nmodules: []\nshare: -1\n";
  assert.deepEqual(
    problems(text),
    [
      "token|***|text (in quotes, if it looks like a number)",
      'every|3|a duration in quotes, such as "10s" or "1m30s"',
      "mode|7|one of 0, 1, 2",
      "limit|11|a whole number from 1 to 10",
      "names[1]|2|text (in quotes, if it looks like a number)",
      "labels.x|1|text (in quotes, if it looks like a number)",
      "modules|[]|a mapping (key: value)",
      "share|-1|a number, at least 0",
    ].toSorted((a, b) => order(a) - order(b)),
  );
  function order(line: string): number {
    return Object.keys(schema.properties ?? {}).indexOf(line.split(/[|[.]/)[0] ?? "");
  }
});

test("a file that is no mapping is wrong as a whole", () => {
  assert.deepEqual(problems("- a\n"), ['the file|["a"]|a mapping (key: value)']);
  assert.deepEqual(problems("text"), ['the file|"text"|a mapping (key: value)']);
});

test("a switch of a part that does not exist is named, but only if the file sets it", () => {
  assert.deepEqual(load("").warnings, []);
  const { warnings } = load("modules: {old: {enable: true}, future: {enable: true}}\n");
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]?.message ?? "", /^not supported yet: modules\.future\.enable /);
});

test("broken, huge and exploding YAML is refused as malformed", () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [${"*a,".repeat(10)}]\nc: &c [${"*b,".repeat(10)}]\nd: [${"*c,".repeat(10)}]\n`;
  for (const text of ["a: [", "a: 1\na: 2\n", "x".repeat(CONFIG_BYTES_MAX + 1), bomb])
    assert.throws(() => load(text), { code: "ConfigMalformed" });
});

test("a key __proto__ is only an unknown key, and in a map only a key", () => {
  const { config, warnings } = load('{"__proto__": {"polluted": 1}, "labels": {"__proto__": "x"}}');
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  assert.equal(warnings[0]?.path, "__proto__");
  assert.deepEqual(Object.keys((config as { labels: object }).labels), ["__proto__"]);
});

test("what renderConfig prints reads back as the defaults, without a warning", () => {
  const text = renderConfig(schema, "full", options.variables, "two\nlines");
  assert.match(text, /^# two\n# lines\n\nname: edge-1\n/);
  assert.deepEqual(load(text.replace("future:\n    enable: false", "")).config, defaults);
  assert.equal(renderConfig(schema, "minimal", options.variables, "x"), "# x\n\nname: edge-1\n");
});
