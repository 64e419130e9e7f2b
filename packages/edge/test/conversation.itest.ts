import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { DeleteOptions, Lease, Node, ObjectKey, TokenRequest } from "@kedge/kube";
import { type Message, parseObjectResource, parseResource, requiresAck } from "@kedge/protocol";
import { MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import { GroupCommit, openDatabase } from "@kedge/sqlite";
import type { EdgeBus, EdgeMessages, EdgeNotices } from "../src/edge-messages.ts";
import { EdgeHub } from "../src/edgehub/edgehub.ts";
import { TestCloud } from "../src/edgehub/test-cloud.test-data.ts";
import { MetaManager } from "../src/metamanager/metamanager.ts";

/** One line of the recording. */
type Line =
  | { readonly mark: string }
  | { readonly event: "upgrade" | "edge_closed" | "cloud_closed" }
  | { readonly t: number; readonly dir: "edge_to_cloud" | "cloud_to_edge"; readonly message: Message };

const file = new URL("../../../test/vectors/conversations/channel.jsonl", import.meta.url);
const lines = readFileSync(file, "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Line);

const NODE = "edge-rec";
const recordedAtMs =
  lines.flatMap((line) => ("message" in line ? [line.message.header.timestamp - line.t] : []))[0] ?? 0;

/** EdgeHub and MetaManager over one database; edged is played by the test. */
class Edge implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "kedge-conversation-"));
  readonly signal = AbortSignal.timeout(50_000);
  bus: EdgeBus = new MessageBus<EdgeMessages, EdgeNotices>();
  now = recordedAtMs;
  #scope: AsyncDisposableStack | undefined;

  async start(cloud: TestCloud): Promise<void> {
    await using scope = new AsyncDisposableStack();
    const db = scope.adopt(openDatabase({ path: join(this.folder, "edgecore.db") }), (opened) => opened.close());
    const commits = scope.use(new GroupCommit(db));
    this.bus = new MessageBus<EdgeMessages, EdgeNotices>();
    this.bus.handle("twin/downstream", () => undefined);
    this.bus.handle("twin/object", () => undefined);
    this.bus.handle("bus/downstream", () => undefined);
    const clock = { ...systemClock, now: () => this.now };
    const deps = { bus: this.bus, db, commits, logger: silentLogger };
    scope.use(await MetaManager.start({ remoteQueryTimeoutMs: 10_000 }, { ...deps, clock }));
    const hub = {
      nodeName: NODE,
      projectId: "e632aba927ea4ac2b575ec1603d56f10",
      server: cloud.server,
      handshakeTimeoutMs: 5_000,
      writeTimeoutMs: 5_000,
      heartbeatMs: 15_000,
      messageQps: 0,
      messageBurst: 0,
      certificate: {
        httpServer: cloud.httpServer,
        token: cloud.token,
        bootstrapFile: join(this.folder, "none"),
        rotate: false,
        paths: {
          caFile: join(this.folder, "ca.crt"),
          certFile: join(this.folder, "server.crt"),
          keyFile: join(this.folder, "server.key"),
        },
      },
    };
    const links = cloud.links.length;
    scope.use(await EdgeHub.start(hub, deps, this.signal));
    await cloud.until(() => cloud.links.length > links);
    await connected(cloud);
    this.#scope = scope.move();
  }

  async stop(): Promise<void> {
    await this.#scope?.disposeAsync();
    this.#scope = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true });
  }

  /** Makes the edge say what the recorded one said: mostly by asking what edged asks. */
  say({ route, content, header }: Message): Promise<unknown> {
    const { bus, signal } = this;
    if (route.source === "metaserver")
      return bus.request("hub/request", { message: { header, route, content }, timeoutMs: 10_000 }, signal);
    if (route.source !== "edged") return bus.request("hub/send", { header, route, content }, signal);
    const { type, key } = parseObjectResource(route.resource);
    const named = key as ObjectKey;
    switch (`${route.operation} ${type}`) {
      case "query lease":
        return bus.request("meta/getLease", named, signal);
      case "insert lease":
        return bus.request("meta/createLease", content as Lease, signal);
      case "update lease":
        return bus.request("meta/updateLease", content as Lease, signal);
      case "insert node":
        return bus.request("meta/registerNode", content as Node, signal);
      case "patch nodepatch":
        return bus.request("meta/patchNodeStatus", { name: key.name, patch: content as string }, signal);
      case "patch podpatch":
        return bus.request("meta/patchPodStatus", { key: named, patch: content as string }, signal);
      case "query configmap":
        return bus.request("meta/getConfigMap", named, signal);
      case "query secret":
        return bus.request("meta/getSecret", named, signal);
      case "delete pod":
        return bus.request("meta/deletePod", { key: named, options: content as DeleteOptions }, signal);
      case "query serviceaccounttoken": {
        const { namespace = "", name: serviceAccount } = key;
        return bus.request("meta/requestToken", { namespace, serviceAccount, token: content as TokenRequest }, signal);
      }
      default:
        throw new Error(`the recording holds ${route.operation} ${type}, which this test cannot make edged say`);
    }
  }
}

/** A link counts once it has carried the first keepalive. */
async function connected(cloud: TestCloud): Promise<void> {
  const { link } = cloud;
  await cloud.until(() => link.traffic.bytesIn > 0 || !link.open);
}

/** Ours leaves them out of leases, where they are most of the bytes. */
function withoutManagedFields({ route, content }: Message): unknown {
  if (parseResource(route.resource)?.type !== "lease" || content === null) return content;
  const { managedFields: _left, ...metadata } = (content as Lease).metadata ?? {};
  return { ...(content as Lease), metadata };
}

const isKeepalive = ({ route }: Message) => route.operation === "keepalive";
/** DeviceTwin's own, which is tested with DeviceTwin. */
const isMembershipQuestion = ({ route }: Message) => route.resource === "membership/detail";

test("answers a recorded stock cloudcore step by step as the stock edgecore did", { timeout: 60_000 }, async (t) => {
  await using cloud = await TestCloud.start();
  await using edge = new Edge();
  /** Recorded id of a message → what stands for it in this run. */
  const asked = new Map<string, { message: Message; settled: Promise<unknown> }>();
  const recorded = new Map<string, Message>();
  const count = { pushes: 0, acks: 0, questions: 0, local: 0, answers: 0 };
  let mark = "";

  /** Messages taken from what the peer received; each is looked at once. */
  const taken = new Set<Message>();
  const take = (matches: (message: Message) => boolean) => {
    const found = cloud.received.find((message) => !taken.has(message) && matches(message));
    if (found !== undefined) taken.add(found);
    return found;
  };

  for (const [at, line] of lines.entries()) {
    if ("mark" in line) {
      mark = line.mark;
      continue;
    }
    if ("event" in line) {
      const [previous] = lines.slice(at - 1);
      if (line.event === "upgrade") {
        if (mark === "cloud-restart") await cloud.until(() => cloud.links.length > 1 && cloud.link.open);
        else await edge.start(cloud);
        await connected(cloud);
      } else if (line.event === "cloud_closed" && mark === "cloud-restart") cloud.link.terminate("cloudcore dies");
      else if (line.event === "edge_closed" && mark !== "cloud-restart") await edge.stop();
      assert.ok(previous);
      continue;
    }
    const { message, dir } = line;
    const where = `line ${at + 1} (${mark}): ${message.route.operation} ${message.route.resource}`;
    edge.now = recordedAtMs + line.t;
    recorded.set(message.header.msg_id, message);
    const { parent_msg_id: parent } = message.header;

    if (dir === "cloud_to_edge" && parent === undefined) {
      count.pushes += 1;
      await cloud.link.send(message);
    } else if (dir === "cloud_to_edge") {
      const question = asked.get(parent ?? "");
      if (question === undefined) continue; // it knew the answer
      count.answers += 1;
      const { msg_id } = question.message.header;
      await cloud.link.send({ ...message, header: { ...message.header, parent_msg_id: msg_id } });
      await question.settled;
    } else if (message.route.operation === "response") {
      const acknowledged = recorded.get(parent ?? "");
      assert.ok(acknowledged, where);
      // A stock edge also acks answers that no cloud waits for; ours spares the bytes.
      if (!requiresAck(acknowledged)) continue;
      if (acknowledged.header.parent_msg_id !== undefined && !asked.has(acknowledged.header.parent_msg_id)) continue;
      count.acks += 1;
      const ack = await cloud.until(() => take(({ header }) => header.parent_msg_id === parent));
      assert.equal(ack.content, "OK", where);
      assert.equal(ack.route.operation, "response", where);
      assert.equal(ack.route.resource, message.route.resource, where);
    } else if (message.route.operation !== undefined && !isKeepalive(message) && !isMembershipQuestion(message)) {
      count.questions += 1;
      let failure: unknown;
      const settled = edge.say(message).catch((error: unknown) => void (failure = error));
      const sameRoute = ({ route }: Message) =>
        route.operation === message.route.operation && route.resource === message.route.resource;
      let isLocal = false;
      if (message.route.source === "edged")
        void settled.then(() => {
          isLocal = true; // unless the cloud was asked: what is stored here is not asked for again
          cloud.look();
        });
      const said = await cloud.until(() => take(sameRoute) ?? (isLocal ? "local" : undefined));
      if (said === "local") {
        assert.equal(failure, undefined, where);
        count.local += 1;
        assert.ok(
          ["serviceaccounttoken", "configmap"].includes(parseResource(message.route.resource)?.type ?? ""),
          where,
        );
        continue;
      }
      assert.deepEqual(said.route, message.route, where);
      assert.deepEqual(said.content, withoutManagedFields(message), where);
      asked.set(message.header.msg_id, { message: said, settled });
    }
  }
  t.diagnostic(JSON.stringify(count));
  assert.ok(count.pushes > 40 && count.acks > 35 && count.questions > 40, JSON.stringify(count));
});
