import assert from "node:assert/strict";
import { test } from "node:test";
import { type ConfigMap, CONFIG_MAPS, keyOf } from "@kedge/kube";
import { ManualClock, settle } from "../manual-clock.test-data.ts";
import { TransportKubeClient } from "../transport-kube-client.ts";
import type { KubeRequest, KubeResponse, KubeTransport } from "../transport/kube-transport.ts";
import { Informer } from "./informer.ts";

type Answer = (request: KubeRequest, query: URLSearchParams) => KubeResponse;

/** A server that answers as the test says, and notes what it was asked. */
class ScriptedServer implements KubeTransport {
  readonly server = "scripted";
  readonly lists: URLSearchParams[] = [];
  readonly watches: { readonly query: URLSearchParams; readonly signal: AbortSignal }[] = [];
  onList: Answer = () => list("1", []);
  onWatch: Answer = () => json(200, []);

  request(request: KubeRequest): Promise<KubeResponse> {
    const query = new URL(request.path, "http://x").searchParams;
    if (query.get("watch") === null) {
      this.lists.push(query);
      return Promise.resolve(this.onList(request, query));
    }
    this.watches.push({ query, signal: request.signal });
    return Promise.resolve(this.onWatch(request, query));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

function configMap(name: string, resourceVersion: string, uid = name): ConfigMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "n", name, uid, resourceVersion } };
}

function json(status: number, lines: readonly object[]): KubeResponse {
  return {
    status,
    headers: {},
    body: (async function* () {
      for (const line of lines) yield Buffer.from(`${JSON.stringify(line)}\n`);
    })(),
  };
}

function list(resourceVersion: string, items: ConfigMap[], next?: string): KubeResponse {
  const metadata = { resourceVersion, ...(next === undefined ? {} : { continue: next }) };
  return json(200, [{ kind: "ConfigMapList", apiVersion: "v1", metadata, items }]);
}

/** A stream that stays open, as a quiet watch does, until its signal aborts. */
function open(lines: readonly object[], signal: AbortSignal): KubeResponse {
  return {
    status: 200,
    headers: {},
    body: (async function* () {
      for (const line of lines) yield Buffer.from(`${JSON.stringify(line)}\n`);
      await new Promise((_, reject) => {
        if (signal.aborted) reject(signal.reason as Error);
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      });
    })(),
  };
}

function start(server: ScriptedServer) {
  const clock = new ManualClock();
  const informer = new Informer(new TransportKubeClient(server), CONFIG_MAPS, { clock, stallMs: 1_000, pageSize: 2 });
  const seen: string[] = [];
  informer.onChange((old, object) => {
    const [from, to] = [old, object].map((each) => each?.metadata?.resourceVersion ?? "-");
    seen.push(`${keyOf(object ?? old ?? {})} ${from} → ${to}`);
  });
  return { informer, clock, seen };
}

test("reads a list page by page before anybody sees it as synced", async () => {
  const server = new ScriptedServer();
  const pages: Record<string, KubeResponse> = {
    "": list("7", [configMap("a", "1"), configMap("b", "2")], "p2"),
    p2: list("7", [configMap("c", "3")]),
  };
  server.onList = (_, query) => pages[query.get("continue") ?? ""] ?? list("7", []);
  server.onWatch = ({ signal }) => open([], signal);
  const { informer } = start(server);
  await using _ = informer;
  await informer.synced;
  await settle();
  assert.deepEqual(informer.list().map(keyOf), ["n/a", "n/b", "n/c"]);
  assert.equal(server.lists[0]?.get("limit"), "2");
  assert.equal(server.watches[0]?.query.get("resourceVersion"), "7");
  assert.equal(server.watches[0]?.query.get("allowWatchBookmarks"), "true");
});

test("resumes a watch that ended where it ended, bookmarks included", async () => {
  const server = new ScriptedServer();
  server.onList = () => list("7", [configMap("a", "1")]);
  server.onWatch = ({ signal }, query) => {
    if (query.get("resourceVersion") === "7")
      return json(200, [
        { type: "MODIFIED", object: configMap("a", "8") },
        { type: "BOOKMARK", object: { kind: "ConfigMap", metadata: { resourceVersion: "20" } } },
      ]);
    return open([{ type: "DELETED", object: configMap("a", "21") }], signal);
  };
  const { informer, seen } = start(server);
  await using _ = informer;
  await informer.synced;
  await settle();
  assert.deepEqual(seen, ["n/a - → 1", "n/a 1 → 8", "n/a 8 → -"]);
  assert.deepEqual(
    server.watches.map(({ query }) => query.get("resourceVersion")),
    ["7", "20"],
  );
  assert.equal(server.lists.length, 1);
});

test("lists again after 410 and tells only what differs, a namesake as gone and created", async () => {
  const server = new ScriptedServer();
  server.onList = () =>
    server.lists.length === 1
      ? list("7", [configMap("same", "1"), configMap("gone", "2"), configMap("anew", "3", "uid-1")])
      : list("50", [configMap("same", "1"), configMap("anew", "40", "uid-2"), configMap("new", "41")]);
  server.onWatch = ({ signal }) =>
    server.watches.length === 1
      ? json(200, [{ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } }])
      : open([], signal);
  const { informer, seen } = start(server);
  await using _ = informer;
  await informer.synced;
  await settle();
  assert.deepEqual(seen.slice(3), ["n/anew 3 → -", "n/anew - → 40", "n/new - → 41", "n/gone 2 → -"]);
  assert.equal(server.watches[1]?.query.get("resourceVersion"), "50");
});

test("cuts a watch that says nothing for too long, and resumes it", async () => {
  const server = new ScriptedServer();
  server.onList = () => list("7", []);
  server.onWatch = ({ signal }) => open([], signal);
  const { informer, clock } = start(server);
  await using _ = informer;
  await informer.synced;
  await settle();
  await clock.advance(1_000);
  assert.equal(server.watches[0]?.signal.aborted, true);
  await clock.advance(30_000);
  assert.equal(server.watches.length, 2);
  assert.equal(server.lists.length, 1); // what it knows, it keeps
});

test("waits longer and longer while the server is away, and comes back by itself", async () => {
  const server = new ScriptedServer();
  server.onList = () => (server.lists.length < 4 ? json(503, []) : list("7", [configMap("a", "1")]));
  server.onWatch = ({ signal }) => open([], signal);
  const { informer, clock } = start(server);
  await using _ = informer;
  const waits: number[] = [];
  for (let tries = 0; tries < 3; tries += 1) {
    await settle();
    const [wait = 0] = clock.sleeping;
    waits.push(wait);
    await clock.advance(wait);
  }
  await informer.synced;
  assert.ok(
    waits.every((wait, index) => wait >= 125 * 2 ** index && wait <= 250 * 2 ** index),
    waits.join(),
  );
  assert.equal(informer.size, 1);
});

test("does not hammer a server that ends each watch at once", async () => {
  const server = new ScriptedServer();
  server.onList = () => list("7", []);
  server.onWatch = () => json(200, []);
  const { informer, clock } = start(server);
  await using _ = informer;
  await informer.synced;
  for (const watches of [1, 2, 3]) {
    await settle();
    assert.equal(server.watches.length, watches);
    await clock.advance(Math.max(...clock.sleeping));
  }
  assert.equal(server.lists.length, 1); // what it knows, it keeps
});

test("stops while it lists, while it waits and before it ever synced", async () => {
  const server = new ScriptedServer();
  server.onList = ({ signal }) => open([], signal);
  const { informer } = start(server);
  await settle();
  await informer[Symbol.asyncDispose]();
  await assert.rejects(informer.synced, { name: "AbortError" });
});

test("a handler that throws costs nobody else", async () => {
  const server = new ScriptedServer();
  server.onList = () => list("7", [configMap("a", "1")]);
  server.onWatch = ({ signal }) => open([], signal);
  const { informer, seen } = start(server);
  await using _ = informer;
  informer.onChange(() => {
    throw new Error("bad handler");
  });
  await informer.synced;
  assert.deepEqual(seen, ["n/a - → 1"]);
});
