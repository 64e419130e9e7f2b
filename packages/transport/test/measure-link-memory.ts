/**
 * What one idle link takes of the server's memory: `node packages/transport/test/measure-link-memory.ts [LINKS]`.
 * The server runs in a process of its own, with the settings that cloudcore gives itself; the clients in another one.
 */
import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { decodeMessage, encodeMessage, newMessage } from "@kedge/protocol";
import { silentLogger } from "@kedge/runtime";
import { TestCa } from "@kedge/testing";
import { connectWebSocket, type TlsIdentity, type WebSocketLink, WebSocketServer } from "../src/index.ts";

const LINKS = 2_000;
/** As in `cloudcore-lean-process.ts`. */
const SERVER_ENV = { MALLOC_ARENA_MAX: "1", MALLOC_MMAP_THRESHOLD_: "65536", MALLOC_TOP_PAD_: "0" };
const SERVER_FLAGS = ["--max-semi-space-size=4", "--heap-growing-percent=60", "--expose-gc"];
const CONNECTING_MAX = 32;
const SETTLE_MS = 2_000;
const linkOptions = { logger: silentLogger, writeTimeoutMs: 30_000, pingAfterMs: 15_000 };

interface Orders {
  readonly links: number;
  readonly tls: TlsIdentity;
  readonly port?: number;
}

const received = () =>
  new Promise<Orders>((resolve) => void process.once("message", resolve as (value: unknown) => void));

async function main(): Promise<void> {
  const links = Number(process.argv[2] ?? LINKS);
  const ca = await TestCa.create("KubeEdge");
  const serverPair = await ca.issueServer("cloudcore", [], ["127.0.0.1"]);
  const clientPair = await ca.issueClient("system:node:edge-1", ["system:nodes"]);
  const identity = (pair: typeof serverPair) => ({ cert: pair.certificate, key: pair.key, ca: ca.certificatePem });
  const server = fork(import.meta.filename, ["server"], {
    env: { ...process.env, ...SERVER_ENV },
    execArgv: SERVER_FLAGS,
  });
  server.send({ links, tls: identity(serverPair) } satisfies Orders);
  const port = await new Promise<number>((resolve) => void server.once("message", resolve as (value: unknown) => void));
  const clients = fork(import.meta.filename, ["clients"]);
  clients.send({ links, tls: identity(clientPair), port } satisfies Orders);
  await new Promise((resolve) => server.once("exit", resolve));
  clients.kill();
}

async function serve(): Promise<void> {
  const { links, tls } = await received();
  const open: WebSocketLink[] = [];
  const all = Promise.withResolvers<void>();
  let heard = 0;
  const server = await WebSocketServer.start(
    {
      ...linkOptions,
      host: "127.0.0.1",
      port: 0,
      tls,
      admit: () => ({}),
      onLink: (link) => {
        open.push(link);
        link.receive(async (message) => {
          await link.send(message);
          heard += 1;
          if (heard === links) all.resolve();
        });
      },
    },
    AbortSignal.timeout(5_000),
  );
  await settle();
  const before = memory();
  process.send?.(server.port);
  await all.promise;
  await settle();
  const after = memory();
  for (const key of Object.keys(before) as (keyof typeof before)[]) {
    const bytes = (after[key] - before[key]) / open.length;
    const value = Math.round(bytes / 102.4) / 10;
    process.stdout.write(`${JSON.stringify({ links: open.length, metric: key, value, unit: "KB a link" })}\n`);
  }
  process.exit(0);
}

async function settle(): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    await delay(SETTLE_MS / 3);
    await globalThis.gc?.({ type: "major", execution: "async", flavor: "last-resort" });
  }
}

function memory() {
  const { rss, heapUsed, external } = process.memoryUsage();
  const privateKb = /^Private_Dirty: +(\d+)/m.exec(readFileSync("/proc/self/smaps_rollup", "utf8"))?.[1];
  return { rss, private: Number(privateKb) * 1024, heapUsed, external };
}

async function connect(): Promise<void> {
  const { links, tls, port } = await received();
  const text = newMessage({
    source: "websocket",
    group: "resource",
    operation: "keepalive",
    resource: "node",
    content: "ping",
  });
  const message = decodeMessage(encodeMessage(text));
  const queue = Array.from({ length: links }, (_, at) => at);
  const worker = async () => {
    for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
      const url = `wss://127.0.0.1:${port}/project/edge-${at}/events`;
      const headers = { node_id: `edge-${at}`, project_id: "e632aba927ea4ac2b575ec1603d56f10", ConnectionUse: "msg" };
      const link = await connectWebSocket(
        { ...linkOptions, url, headers, tls, handshakeTimeoutMs: 30_000 },
        AbortSignal.timeout(120_000),
      );
      link.receive(() => undefined);
      await link.send(message);
    }
  };
  await Promise.all(Array.from({ length: CONNECTING_MAX }, worker));
}

const roles: Record<string, () => Promise<void>> = { server: serve, clients: connect };
await (roles[process.argv[2] ?? ""] ?? main)();
