import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { KubeObject, KubeStatus } from "@kedge/kube";
import type { KubeTransport } from "@kedge/kube-client";
import { startTestServer, type TestServer } from "./start-test-server.ts";

const PATH = "/api/v1/namespaces/default/configmaps";
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

interface List {
  readonly metadata: {
    readonly resourceVersion: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
  readonly items: readonly (KubeObject & { data?: Record<string, string> })[];
}

interface Event {
  readonly type: string;
  readonly object: KubeObject &
    KubeStatus & { data?: Record<string, string>; rows?: { object: KubeObject }[]; columnDefinitions?: object[] };
}

describe("lists and watches", { timeout: 60_000 }, () => {
  const scope = new AsyncDisposableStack();
  let server: TestServer;
  let transport: KubeTransport;
  before(async () => {
    server = scope.use(await startTestServer({ compaction: { revisionsMax: 40, intervalMs: 20 } }));
    transport = scope.use(server.api.transport);
  });
  after(() => scope.disposeAsync());

  const signal = AbortSignal.timeout(50_000);

  async function ask(method: string, path: string, body?: object): Promise<{ status: number; text: string }> {
    const response = await transport.request({
      method,
      path,
      headers:
        body === undefined
          ? {}
          : { "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json" },
      body: body === undefined ? undefined : Buffer.from(JSON.stringify(body)),
      signal,
    });
    return { status: response.status, text: Buffer.concat(await Array.fromAsync(response.body)).toString() };
  }

  async function call<T>(method: string, path: string, body?: object, expected?: number): Promise<T> {
    const { status, text } = await ask(method, path, body);
    assert.ok(expected === undefined ? status < 300 : status === expected, `${status} ${text}`);
    return JSON.parse(text) as T;
  }

  const create = (name: string, labels: Record<string, string> = {}) =>
    call<KubeObject>("POST", PATH, { metadata: { name, labels } });
  const touch = (name: string, value: string) => call<KubeObject>("PATCH", `${PATH}/${name}`, { data: { value } });
  const label = (name: string, app: string | null) =>
    call<KubeObject>("PATCH", `${PATH}/${name}`, { metadata: { labels: { app } } });
  const versionOf = ({ metadata }: KubeObject) => metadata?.resourceVersion ?? "";

  /** The events of a watch, as they come. */
  async function* watch(
    query: string,
    accept = "application/json",
    until: AbortSignal = signal,
  ): AsyncGenerator<Event> {
    const response = await transport.request({
      method: "GET",
      path: `${PATH}?watch=1&${query}`,
      headers: { accept },
      signal: until,
      streaming: true,
    });
    let rest = "";
    for await (const chunk of response.body) {
      const lines = (rest + Buffer.from(chunk).toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line) as Event;
    }
  }

  async function take(events: AsyncGenerator<Event>, count: number): Promise<Event[]> {
    const taken: Event[] = [];
    for (let i = 0; i < count; i += 1) {
      const next = await events.next();
      if (next.done === true) break;
      taken.push(next.value);
    }
    return taken;
  }
  const told = ({ type, object }: Event) => `${type} ${object.metadata?.name ?? ""}`;

  test("pages show the state of the first page, whatever happens meanwhile", async () => {
    for (const name of ["a", "b", "c", "d", "e"]) await create(`page-${name}`, { test: "pages" });
    const query = "labelSelector=test%3Dpages&limit=2";
    const first = await call<List>("GET", `${PATH}?${query}`);
    await call("DELETE", `${PATH}/page-c`);
    await create("page-bb", { test: "pages" });
    await touch("page-e", "new");
    const rest: string[] = [];
    let token = first.metadata.continue;
    while (token !== undefined && token !== "") {
      const page = await call<List>("GET", `${PATH}?${query}&continue=${encodeURIComponent(token)}`);
      assert.equal(page.metadata.resourceVersion, first.metadata.resourceVersion);
      rest.push(...page.items.map((item) => `${item.metadata?.name ?? ""} ${item.data?.["value"] ?? "old"}`));
      token = page.metadata.continue;
    }
    assert.deepEqual(rest, ["page-c old", "page-d old", "page-e old"]);
    const exact = `${PATH}?labelSelector=test%3Dpages&resourceVersion=${first.metadata.resourceVersion}&resourceVersionMatch=Exact`;
    assert.equal((await call<List>("GET", exact)).items.length, 5);
  });

  test("says how many are left when it knows", async () => {
    const { items, metadata } = await call<List>("GET", `/api/v1/namespaces?limit=1`);
    assert.deepEqual([items.length, metadata.remainingItemCount], [1, 3]);
  });

  test("a watch from a version shows everything after it, once, in order", async () => {
    const created = await create("ordered");
    const versions = [versionOf(await touch("ordered", "1")), versionOf(await touch("ordered", "2"))];
    const events = watch(`fieldSelector=metadata.name%3Dordered&resourceVersion=${versionOf(created)}`);
    const past = await take(events, 2);
    versions.push(versionOf(await touch("ordered", "3")));
    await call("DELETE", `${PATH}/ordered`);
    const all = [...past, ...(await take(events, 2))];
    await events.return(undefined);
    assert.deepEqual(all.map(told), ["MODIFIED ordered", "MODIFIED ordered", "MODIFIED ordered", "DELETED ordered"]);
    assert.deepEqual(
      all.slice(0, 3).map(({ object }) => versionOf(object)),
      versions,
    );
    assert.ok(Number(versionOf(all[3]?.object ?? {})) > Number(versions[2]), "a deletion has a version of its own");
  });

  test("without a version it begins with what is there", async () => {
    await create("there", { test: "initial" });
    const events = watch("labelSelector=test%3Dinitial");
    assert.deepEqual((await take(events, 1)).map(told), ["ADDED there"]);
    await touch("there", "x");
    assert.deepEqual((await take(events, 1)).map(told), ["MODIFIED there"]);
    await events.return(undefined);
  });

  test("sendInitialEvents: what is there, then a bookmark that says so", async () => {
    await create("streamed", { test: "stream" });
    const query =
      "labelSelector=test%3Dstream&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    const events = watch(query);
    const [added, bookmark] = await take(events, 2);
    await events.return(undefined);
    assert.equal(added && told(added), "ADDED streamed");
    assert.equal(bookmark?.type, "BOOKMARK");
    assert.equal(bookmark.object.metadata?.annotations?.["k8s.io/initial-events-end"], "true");
  });

  test("an object that enters a selection is added, one that leaves it is deleted", async () => {
    const created = await create("moving");
    const events = watch(`labelSelector=app%3Dweb&resourceVersion=${versionOf(created)}`);
    await label("moving", "web");
    await touch("moving", "1");
    const left = await label("moving", "db");
    await label("moving", "web");
    const seen = await take(events, 4);
    await events.return(undefined);
    assert.deepEqual(seen.map(told), ["ADDED moving", "MODIFIED moving", "DELETED moving", "ADDED moving"]);
    assert.equal(seen[2]?.object.metadata?.labels?.["app"], "web", "shown as the watcher knew it");
    assert.equal(versionOf(seen[2]?.object ?? {}), versionOf(left));
  });

  test("ends after timeoutSeconds, with a bookmark to go on from", async () => {
    const { metadata } = await call<List>("GET", PATH);
    const query = `resourceVersion=${metadata.resourceVersion}&timeoutSeconds=1&allowWatchBookmarks=true&labelSelector=test%3Dnone`;
    const events = await Array.fromAsync(watch(query));
    assert.deepEqual(
      events.map(({ type }) => type),
      ["BOOKMARK"],
    );
    assert.ok(Number(versionOf(events[0]?.object ?? {})) >= Number(metadata.resourceVersion));
  });

  test("a table is told its columns once", async () => {
    const created = await create("row");
    const events = watch(`fieldSelector=metadata.name%3Drow&resourceVersion=${Number(versionOf(created)) - 1}`, TABLE);
    await touch("row", "1");
    const [first, second] = await take(events, 2);
    await events.return(undefined);
    assert.ok((first?.object.columnDefinitions?.length ?? 0) > 0);
    assert.equal(second?.object.columnDefinitions ?? null, null);
    assert.equal(second?.object.rows?.[0]?.object.metadata?.name, "row");
  });

  test("a forgotten version answers 410 to lists, pages and watches", async () => {
    const first = await call<List>("GET", `${PATH}?limit=1`);
    const created = await create("busy");
    // Until the log has dropped what was there before: it keeps 40 revisions here.
    const exact = `${PATH}?resourceVersion=${first.metadata.resourceVersion}&resourceVersionMatch=Exact`;
    for (let i = 0; (await ask("GET", exact)).status !== 410; i += 1) await touch("busy", String(i));
    const token = encodeURIComponent(first.metadata.continue ?? "");
    const page = await call<KubeStatus>("GET", `${PATH}?limit=1&continue=${token}`, undefined, 410);
    assert.deepEqual([page.reason, page.code], ["Expired", 410]);
    const [event] = await take(watch(`resourceVersion=${Number(versionOf(created)) - 1}`), 1);
    assert.equal(event?.type, "ERROR");
    assert.deepEqual([event.object.reason, event.object.code], ["Expired", 410]);
  });

  test("a watch that its caller leaves is forgotten, and so are those of a server that stops", async () => {
    await using other = await startTestServer();
    const leave = new AbortController();
    const left = other.api.transport.request({
      method: "GET",
      path: `${PATH}?watch=1`,
      headers: {},
      signal: leave.signal,
      streaming: true,
    });
    const body = (await left).body[Symbol.asyncIterator]();
    const first = body.next();
    leave.abort(new Error("left"));
    await assert.rejects(async () => {
      await first;
      await body.next();
    }, /left/);
    const staying = await other.api.transport.request({
      method: "GET",
      path: `${PATH}?watch=1`,
      headers: {},
      signal,
      streaming: true,
    });
    const ended = Array.fromAsync(staying.body);
    await other[Symbol.asyncDispose]();
    await ended;
    const late = await other.api.transport.request({ method: "GET", path: PATH, headers: {}, signal });
    assert.equal(late.status, 503, "it says that it has stopped");
  });
});
