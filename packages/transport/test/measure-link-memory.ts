/**
 * What an idle link takes of the server's memory, at first and after all links have come back again and again:
 * `node packages/transport/test/measure-link-memory.ts [LINKS]`. The server has a process of its own with the settings
 * that cloudcore gives itself, the clients have another one.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { newMessage } from "@kedge/protocol";
import { silentLogger } from "@kedge/runtime";
import { connectWebSocket, type TlsIdentity, WebSocketServer } from "../src/index.ts";
import { clientTls, serverTls } from "./link-bed.ts";

const LINKS = 2_000;
const STORMS = 3;
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

const next = async (peer: ChildProcess | NodeJS.Process) => {
  const [value] = (await once(peer, "message")) as unknown[];
  return value;
};

async function main(): Promise<void> {
  const links = Number(process.argv[2] ?? LINKS);
  const env = { ...process.env, ...SERVER_ENV };
  const server = fork(import.meta.filename, ["server"], { env, execArgv: SERVER_FLAGS });
  server.send({ links, tls: serverTls } satisfies Orders);
  const port = Number(await next(server));
  for (let round = 0; round <= STORMS; round += 1) {
    const clients = fork(import.meta.filename, ["clients"]);
    clients.send({ links, tls: clientTls, port } satisfies Orders);
    await next(server); // has them all, and has measured
    clients.kill("SIGKILL");
    await next(server); // has lost them all
  }
  server.kill();
}

async function serve(): Promise<void> {
  const { links, tls } = (await next(process)) as Orders;
  let changed = Promise.withResolvers<void>();
  const counts = { heard: 0, open: 0 };
  const server = await WebSocketServer.start(
    {
      ...linkOptions,
      host: "127.0.0.1",
      port: 0,
      tls,
      sessionsAtOnce: links,
      admit: () => ({}),
      onLink: (link) => {
        counts.open += 1;
        link.receive(async (message) => {
          await link.send(message);
          counts.heard += 1;
          changed.resolve();
        });
        void link.closed.then(() => {
          counts.open -= 1;
          changed.resolve();
        });
      },
    },
    AbortSignal.timeout(5_000),
  );
  const until = async (condition: () => boolean) => {
    for (; !condition(); await changed.promise) changed = Promise.withResolvers<void>();
  };
  await settle();
  const before = memory();
  process.send?.(server.port);
  for (let storm = 0; ; storm += 1) {
    await until(() => counts.heard === links);
    await settle();
    const now = memory();
    for (const key of Object.keys(before) as (keyof typeof before)[]) {
      const value = Math.round((now[key] - before[key]) / links / 102.4) / 10;
      process.stdout.write(`${JSON.stringify({ links, storms: storm, metric: key, value, unit: "KB a link" })}\n`);
    }
    process.send?.("measured");
    await until(() => counts.open === 0);
    counts.heard = 0;
    process.send?.("lost");
  }
}

async function settle(): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    await delay(SETTLE_MS / 3);
    await globalThis.gc?.({ type: "major", execution: "async", flavor: "last-resort" });
  }
}

function memory() {
  const { rss, heapUsed } = process.memoryUsage();
  const privateKb = /^Private_Dirty: +(\d+)/m.exec(readFileSync("/proc/self/smaps_rollup", "utf8"))?.[1];
  return { rss, private: Number(privateKb) * 1024, heapUsed };
}

async function connect(): Promise<void> {
  const { links, tls, port } = (await next(process)) as Orders;
  const facts = { source: "websocket", group: "resource", operation: "keepalive", resource: "node", content: "ping" };
  const queue = Array.from({ length: links }, (_, at) => at);
  const worker = async () => {
    for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
      const url = `wss://127.0.0.1:${port}/project/edge-${at}/events`;
      const headers = { node_id: `edge-${at}`, project_id: "e632aba927ea4ac2b575ec1603d56f10", ConnectionUse: "msg" };
      const link = await connectWebSocket(
        { ...linkOptions, url, headers, tls, handshakeTimeoutMs: 30_000 },
        AbortSignal.timeout(300_000),
      );
      link.receive(() => undefined);
      await link.send(newMessage(facts));
    }
  };
  await Promise.all(Array.from({ length: CONNECTING_MAX }, worker));
}

const roles: Record<string, () => Promise<void>> = { server: serve, clients: connect };
await (roles[process.argv[2] ?? ""] ?? main)();
