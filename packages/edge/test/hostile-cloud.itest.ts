import assert from "node:assert/strict";
import { test } from "node:test";
import { compareResourceVersions, type KubeObject } from "@kedge/kube";
import { type Message, newMessage, queryObject } from "@kedge/protocol";
import { silentLogger } from "@kedge/runtime";
import { Hostility } from "@kedge/testing";
import { agreedBed, type HubBed, hubBed } from "../src/edgehub/hub-bed.test-data.ts";
import { MetaManager } from "../src/metamanager/metamanager.ts";

const OBJECTS = 20;
const UPLOADS = 150;
const QUESTIONS = 20;

/** What became of some objects in the cluster, in order: created, changed, deleted, and created anew under the same name. */
function history(hostile: Hostility): Message[] {
  let version = 100;
  const say = (operation: string, type: string, name: string, uid: string): Message => {
    version += 1;
    const [resourceVersion, namespace] = [String(version), "default"];
    return newMessage({
      source: "edgecontroller",
      group: "resource",
      operation,
      resource: `${namespace}/${type}/${name}`,
      content: { metadata: { namespace, name, uid, resourceVersion } },
      resourceVersion,
    });
  };
  return Array.from({ length: OBJECTS }, (_, at) => at).flatMap((at) => {
    const [type, name] = [at % 2 === 0 ? "pod" : "configmap", `o${at}`];
    const lives = 1 + hostile.below(3);
    return Array.from({ length: lives }, (_life, life) => {
      const uid = `${name}-${life}`;
      const said = [say("insert", type, name, uid)];
      for (let changes = hostile.below(4); changes > 0; changes -= 1) said.push(say("update", type, name, uid));
      if (life < lives - 1 || hostile.below(3) === 0) said.push(say("delete", type, name, uid));
      return said;
    }).flat();
  });
}

const metadataOf = ({ content }: Message) => (content as KubeObject).metadata ?? {};

/** Looks at each change of what is stored, and keeps book of what must never be. */
class Bookkeeper {
  readonly violations: string[] = [];
  readonly #bed: HubBed;
  /** Newest version of each life that was stored. */
  readonly #stored = new Map<string, string>();
  /** Lives that we were told are over, and the edge has acknowledged that. */
  readonly #over = new Map<string, string>();
  readonly #last = new Map<string, string>();

  constructor(bed: HubBed) {
    this.#bed = bed;
    bed.bus.listen("meta/podChanged", ({ key }) => this.#look(`default/pod/${key.name}`));
    bed.bus.listen("meta/objectChanged", ({ type, key }) => this.#look(`default/${type}/${key.name}`));
  }

  row(key: string): { uid: string; resourceVersion: string } | undefined {
    const value = this.#bed.db.prepare("SELECT value FROM meta WHERE key = ?").get(key)?.["value"];
    if (typeof value !== "string") return undefined;
    const { uid = "", resourceVersion = "" } = (JSON.parse(value) as KubeObject).metadata ?? {};
    return { uid, resourceVersion };
  }

  acknowledged(message: Message): void {
    const { uid = "", resourceVersion = "" } = metadataOf(message);
    const { operation, resource = "" } = message.route;
    if (operation !== "delete") return;
    if (compareResourceVersions(resourceVersion, this.#over.get(uid)) > 0) this.#over.set(uid, resourceVersion);
    if (this.row(resource)?.uid === uid) this.violations.push(`${resource} ${uid} is there after its deletion`);
  }

  #look(key: string): void {
    const row = this.row(key);
    const state = row === undefined ? "nothing" : `${row.uid}@${row.resourceVersion}`;
    if (this.#last.get(key) === state) this.violations.push(`${key}: ${state} applied twice`);
    this.#last.set(key, state);
    if (row === undefined) return;
    const { uid, resourceVersion } = row;
    if (compareResourceVersions(resourceVersion, this.#stored.get(uid)) < 0)
      this.violations.push(`${key}: ${state} over ${this.#stored.get(uid)}`);
    this.#stored.set(uid, resourceVersion);
    if (this.#over.has(uid)) this.violations.push(`${key}: ${state} came back after ${this.#over.get(uid)}`);
  }
}

/** Sends, and resolves once each copy has been acknowledged. */
async function deliver({ cloud }: HubBed, messages: readonly Message[], keeper: Bookkeeper): Promise<void> {
  const byId = new Map(messages.map((message) => [message.header.msg_id, message]));
  let [missing, looked] = [messages.length, cloud.received.length];
  const done = cloud.until(() => {
    for (; looked < cloud.received.length; looked += 1) {
      const { route, header } = cloud.received[looked] ?? { route: {}, header: {} };
      const message = byId.get(header.parent_msg_id ?? "");
      if (message === undefined) continue;
      assert.equal(route.operation, "response", "each copy is acknowledged, so that it need not come again");
      keeper.acknowledged(message);
      missing -= 1;
    }
    return missing === 0;
  });
  for (const message of messages) await cloud.link.send(message);
  await done;
}

/** The truth, in its own order, as a comparison of cloud and edge brings it. Then both hold the same. */
async function converge(bed: HubBed, said: readonly Message[], keeper: Bookkeeper): Promise<void> {
  const newest = new Map(said.map((message) => [message.route.resource ?? "", message]));
  await deliver(bed, [...newest.values()], keeper);
  for (const [resource, message] of newest) {
    const { uid, resourceVersion } = metadataOf(message);
    const expected = message.route.operation === "delete" ? undefined : { uid, resourceVersion };
    assert.deepEqual(keeper.row(resource), expected, resource);
  }
}

/** Answers come twice, those to the last questions first; each asker gets its own. */
async function ask(bed: HubBed): Promise<void> {
  const { cloud } = bed;
  const asked: Message[] = [];
  cloud.onMessage = (message, link) => {
    if (message.route.operation !== "query") return;
    asked.push(message);
    if (asked.length < QUESTIONS) return;
    for (const question of asked.toReversed())
      for (let copies = 0; copies < 2; copies += 1) {
        const { resource = "" } = question.route;
        const [namespace, , name] = resource.split("/");
        const content = { metadata: { namespace, name, uid: `u-${name}`, resourceVersion: "1" } };
        const route = { source: "edgecontroller", group: "resource", operation: "response", resource };
        void link.send(newMessage({ ...route, content, parentId: question.header.msg_id }));
      }
  };
  const names = Array.from({ length: QUESTIONS }, (_, at) => `q${at}`);
  const answers = await Promise.all(
    names.map((name) => bed.request(queryObject("secret", { namespace: "default", name }))),
  );
  assert.deepEqual(
    answers.map((answer) => metadataOf(answer).name),
    names,
  );
}

async function withHostileCloud(bed: HubBed, hostile: Hostility, uploads: () => Promise<void>): Promise<void> {
  const { bus, db, commits, clock } = bed;
  const deps = { bus, db, commits, clock, logger: silentLogger };
  await using _metaManager = await MetaManager.start({ remoteQueryTimeoutMs: 10_000 }, deps);
  await bed.start();
  await bed.connected.promise;
  const keeper = new Bookkeeper(bed);
  const said = history(hostile);
  const distorted = hostile.distort(said);
  await Promise.all([deliver(bed, distorted, keeper), uploads()]);
  await converge(bed, said, keeper);
  await ask(bed);
  assert.deepEqual(keeper.violations, []);
}

const contents = Array.from({ length: UPLOADS }, (_, at) => String(at));

test("a stock cloud that repeats and reorders: nothing is applied twice, nothing goes back, no deletion is undone", async (t) => {
  await using bed = await hubBed();
  await withHostileCloud(bed, new Hostility(t), async () => {
    for (const content of contents) await bed.upload(content);
    const arrived = () => bed.cloud.received.filter(({ route }) => route.operation === "upload");
    await bed.cloud.until(() => arrived().length >= UPLOADS);
    assert.deepEqual(
      arrived().map(({ content }) => content),
      contents,
    );
  });
});

test("a cloud of ours that repeats and reorders, also how far it is: all is done once, in order, and nothing goes back", async (t) => {
  await using bed = await agreedBed();
  const { channel } = bed;
  channel.atOnce = false;
  const hostile = new Hostility(t);
  await withHostileCloud(bed, hostile, async () => {
    const accepted = (async () => {
      for (const content of contents) await bed.upload(content);
    })();
    const told = [0];
    while (channel.effects.length < UPLOADS) {
      await channel.until(() => channel.waiting.length > 0);
      channel.work(1 + hostile.below(channel.waiting.length), { tell: false });
      told.push(Math.max(...channel.applied.values()));
      for (const upTo of hostile.distort(told.slice(-8))) channel.say(upTo, bed.cloud.link);
    }
    await accepted;
    channel.say(told.at(-1) ?? 0, bed.cloud.link);
    while (bed.waiting().length > 0) await new Promise(setImmediate);
    assert.deepEqual(
      channel.effects.map(({ content }) => content),
      contents,
    );
  });
});
