import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { NAMESPACES, SECRETS } from "@kedge/kube";
import { TestKubernetes } from "@kedge/testing";
import { readTtl } from "../src/token/read-ttl.ts";
import { runKeadm } from "./run-keadm.ts";

const CA = Buffer.from("stands for a certificate");
const hash = createHash("sha256").update(CA).digest("hex");

suite("keadm token, on a real Kubernetes API", { skip: TestKubernetes.missing(), timeout: 120_000 }, () => {
  let kubernetes: TestKubernetes;
  const token = (...args: string[]) => runKeadm("token", ...args, "--kube-config", kubernetes.adminKubeconfig);
  const list = async () => JSON.parse((await token("list", "-o", "json")).printed) as { id: string; state: string }[];

  before(async () => {
    kubernetes = await TestKubernetes.start();
  });
  after(() => kubernetes[Symbol.asyncDispose]());

  test("says what to do where cloudcore has never run", async () => {
    assert.match(
      (await token("create")).error?.message ?? "",
      /holds no CA yet: start cloudcore on this cluster first/,
    );
    assert.match((await token("list")).told, /no tokens: make one with keadm token create/);
    await using kube = kubernetes.connect();
    const signal = AbortSignal.timeout(10_000);
    await kube.create(NAMESPACES, { metadata: { name: "kubeedge" } }, signal);
    const data = { cadata: CA.toString("base64"), cakeydata: "eA==" };
    await kube.create(SECRETS, { metadata: { namespace: "kubeedge", name: "casecret" }, data }, signal);
  });

  test("makes tokens, shows them, and revokes them", async () => {
    const { printed, error } = await token(
      "create",
      "--node",
      "edge-1",
      "--single-use",
      "--ttl",
      "7d",
      "--description",
      "the shed",
    );
    assert.equal(error, undefined);
    assert.match(printed, new RegExp(`^${hash}\\.[\\w-]+\\.[\\w-]+\\.[\\w-]+$`));
    const made = JSON.parse((await token("create", "--uses", "3", "-o", "json")).printed) as {
      id: string;
      token: string;
    };
    const all = JSON.parse((await token("list", "-o", "json")).printed) as Record<string, unknown>[];
    const [first, second] = [all.find(({ node }) => node === "edge-1"), all.find(({ node }) => node === undefined)];
    const { created, expires, id, ...rest } = first ?? {};
    assert.deepEqual(rest, { state: "valid", node: "edge-1", description: "the shed", uses: 0, usesMax: 1 });
    assert.equal(Date.parse(String(expires)) - Date.parse(String(created)), 7 * 24 * 3_600_000);
    assert.equal(second?.["id"], made.id);
    const table = (await token("list")).printed;
    assert.match(table, /^ID +STATE +NODE +EXPIRES +USES +LAST USED BY +DESCRIPTION\n/);
    assert.match(table, new RegExp(`${String(id)} +valid +edge-1 +\\S+ +0/1 +never +the shed`));
    assert.ok(!table.includes(made.token.slice(65)));

    assert.equal(
      (await token("delete", String(id), made.token)).printed,
      `token ${String(id)} deleted\ntoken ${made.id} deleted`,
    );
    assert.deepEqual(await list(), []);
    assert.match(
      (await token("delete", made.id)).error?.message ?? "",
      /there is no token [0-9a-f]{16}: see keadm token list/,
    );
  });

  test("removes those that have expired, and no others", async () => {
    const kept = JSON.parse((await token("create", "-o", "json")).printed) as { id: string };
    await token("create", "--ttl", "1s");
    while (!(await list()).some(({ state }) => state === "expired"));
    assert.match((await token("delete", "--all-expired")).printed, /^token [0-9a-f]{16} deleted$/);
    assert.deepEqual(
      (await list()).map(({ id }) => id),
      [kept.id],
    );
  });

  for (const { text, ms } of [
    { text: "90m", ms: 5_400_000 },
    { text: "7d", ms: 604_800_000 },
    { text: "1h30m", ms: 5_400_000 },
  ])
    test(`reads ${text}`, () => assert.equal(readTtl(text), ms));
  for (const text of ["", "soon", "0", "-1h", "7", "d", "1w"])
    test(`${JSON.stringify(text)} is no duration`, () => assert.throws(() => readTtl(text), /90m, 24h or 7d/));

  const refused = [
    { args: ["create", "--ttl", "400d"], says: /365 days/ },
    { args: ["create", "--node", "Not_A_Node"], says: /is not a node name/ },
    { args: ["create", "--single-use", "--uses", "2"], says: /give one of them/ },
    { args: ["create", "--description", "x".repeat(300)], says: /256 characters/ },
    { args: ["delete"], says: /which token/ },
    { args: ["delete", "a.e30.c.d"], says: /no id|no token/ },
    { args: ["delete", "casecret"], says: /there is no token/ },
  ];
  for (const { args, says } of refused)
    test(`refuses ${args.join(" ").slice(0, 40)}`, async () => {
      const { error, told, printed } = await token(...args);
      assert.match(`${error?.message ?? ""}${told}${printed}`, says);
    });
});
