import assert from "node:assert/strict";
import { test } from "node:test";
import { matching, parseDockerConfig } from "./pull-credentials.ts";

const credentials = (...scopes: string[]) => scopes.map((scope) => ({ scope, auth: { username: scope } }));
const usersFor = (repository: string, ...scopes: string[]) =>
  matching(credentials(...scopes), repository).map(({ username }) => username);

test("takes the most specific first", () => {
  const scopes = ["reg.io", "reg.io/team", "reg.io/other", "*.io"];
  assert.deepEqual(usersFor("reg.io/team/app", ...scopes), ["reg.io/team", "reg.io", "*.io"]);
});

const cases: { scope: string; repository: string; covers: boolean }[] = [
  { scope: "reg.io", repository: "reg.io/a", covers: true },
  { scope: "reg.io", repository: "sub.reg.io/a", covers: false },
  { scope: "*.reg.io", repository: "sub.reg.io/a", covers: true },
  { scope: "*.reg.io", repository: "a.b.reg.io/a", covers: false },
  { scope: "pre-*.reg.io", repository: "pre-1.reg.io/a", covers: true },
  { scope: "reg.io:5000", repository: "reg.io/a", covers: false },
  { scope: "reg.io/team", repository: "reg.io/teammate/a", covers: false },
  { scope: "index.docker.io", repository: "docker.io/library/nginx", covers: true },
];
for (const { scope, repository, covers } of cases)
  test(`${scope} ${covers ? "covers" : "does not cover"} ${repository}`, () =>
    assert.equal(usersFor(repository, scope).length === 1, covers));

test("reads a Docker configuration, in both its ways", () => {
  const auth = Buffer.from("user:pass:word").toString("base64");
  const auths = { "https://reg.io/v1/": { auth }, "other.io": { username: "u", password: "p" }, empty: {} };
  assert.deepEqual(parseDockerConfig(JSON.stringify({ auths })), [
    { scope: "reg.io", auth: { username: "user", password: "pass:word", identityToken: "" } },
    { scope: "other.io", auth: { username: "u", password: "p", identityToken: "" } },
  ]);
});
