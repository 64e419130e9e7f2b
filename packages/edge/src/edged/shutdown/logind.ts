import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, type Logger, toError } from "@kedge/runtime";
import { DbusConnection } from "./dbus-connection.ts";
import { DbusError } from "./dbus-message.ts";
import type { LogindConfig } from "./logind-config.ts";

const LOGIND = {
  destination: "org.freedesktop.login1",
  path: "/org/freedesktop/login1",
  interface: "org.freedesktop.login1.Manager",
};
const PROPERTIES = { ...LOGIND, interface: "org.freedesktop.DBus.Properties" };
const SYSTEMD = {
  destination: "org.freedesktop.systemd1",
  path: "/org/freedesktop/systemd1",
  interface: "org.freedesktop.systemd1.Manager",
};
const SHUTDOWN_SIGNAL = "PrepareForShutdown";
const SIGHUP = 1;
const CALL_TIMEOUT_MS = 10_000;
const RELOAD_TRIES_MAX = 5;
const RELOAD_WAIT_MS = 100;
const US_PER_MS = 1000n;

export interface LogindListener {
  /** The machine is about to go down, and waits for this. */
  readonly onShutdown: () => Promise<void>;
  readonly onCancelled: () => void;
}

/**
 * Holds the machine's shutdown back while pods end, as systemd's logind offers it.
 *
 * @param wholeMs how long pods may take.
 * @throws when there is no logind, or it goes away; or the signal's reason.
 */
export async function followLogind(
  config: LogindConfig,
  wholeMs: number,
  listener: LogindListener,
  deps: { readonly clock: Clock; readonly logger: Logger },
  signal: AbortSignal,
): Promise<never> {
  const told: { wake: () => void; readonly states: boolean[] } = { wake: () => undefined, states: [] };
  await using bus = await DbusConnection.open(
    config.busAddress,
    ({ fields, body }) => {
      if (fields.member !== SHUTDOWN_SIGNAL || typeof body[0] !== "boolean") return;
      told.states.push(body[0]);
      told.wake();
    },
    bounded(signal),
  );
  await bus.addMatch(
    `type='signal',sender='${LOGIND.destination}',interface='${LOGIND.interface}',member='${SHUTDOWN_SIGNAL}',path='${LOGIND.path}'`,
    bounded(signal),
  );
  await ensureDelay(bus, config, wholeMs, deps.clock, signal);
  let lock = await holdLock(config, deps.logger);
  deps.logger.info({ wholeMs }, "the machine's shutdown waits for pods");
  try {
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<void>();
      told.wake = resolve;
      if (told.states.length === 0) await untilSomething(promise, bus, lock, signal);
      const down = told.states.shift();
      if (down === true) {
        await listener.onShutdown();
        lock.release();
      } else if (down === false) {
        listener.onCancelled();
        lock.release();
        lock = await holdLock(config, deps.logger);
      }
    }
  } finally {
    lock.release();
  }
}

async function untilSomething(
  told: Promise<void>,
  bus: DbusConnection,
  lock: Lock,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const stopped = once(signal, "abort", { signal: over.signal }).then(
    () => signal.throwIfAborted(),
    () => undefined,
  );
  try {
    signal.throwIfAborted();
    await Promise.race([told, bus.closed, lock.lost, stopped]);
  } finally {
    over.abort();
  }
}

/** logind waits for nobody longer than it is set to: if that is too short it is told. */
async function ensureDelay(
  bus: DbusConnection,
  { configDirectory }: LogindConfig,
  wholeMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const delayMs = async () => {
    const body = [LOGIND.interface, "InhibitDelayMaxUSec"];
    const [value] = await bus.call(PROPERTIES, "Get", "ss", body, bounded(signal));
    return Number(BigInt(value as bigint) / US_PER_MS);
  };
  if ((await delayMs()) >= wholeMs) return;
  await mkdir(configDirectory, { recursive: true, mode: 0o755 });
  const seconds = Math.ceil(wholeMs / 1000);
  await writeFile(join(configDirectory, "99-kubelet.conf"), `[Login]\nInhibitDelayMaxSec=${seconds}\n`);
  await bus.call(SYSTEMD, "KillUnit", "ssi", ["systemd-logind.service", "all", SIGHUP], bounded(signal));
  for (let tries = 1; (await delayMs()) < wholeMs; tries += 1) {
    if (tries === RELOAD_TRIES_MAX)
      throw new DbusError(
        `logind waits for less than ${seconds} s, and does not take InhibitDelayMaxSec from ${configDirectory}: restart systemd-logind`,
        { code: "DbusRefused", name: "InhibitDelayMaxSec" },
      );
    await clock.sleep(RELOAD_WAIT_MS * 2 ** tries, signal);
  }
}

interface Lock {
  /** Rejects when the lock is lost although nobody released it. */
  readonly lost: Promise<never>;
  release(): void;
}

/** The lock is a file descriptor, which Node cannot take from a bus: a child holds it, and ends when we do. */
async function holdLock({ inhibitCommand }: LogindConfig, logger: Logger): Promise<Lock> {
  const [command = "", ...rest] = inhibitCommand;
  const child = spawn(command, [...rest, "cat"], { stdio: ["pipe", "ignore", "pipe"] });
  const lost = Promise.withResolvers<never>();
  lost.promise.catch(() => undefined);
  let released = false;
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-1024)));
  child.stdin.on("error", () => undefined);
  child.on("exit", (code) => {
    if (released) return;
    const message = `${command} ended with ${code}: ${said.trim()}`;
    lost.reject(new DbusError(message, { code: "DbusRefused", name: "Inhibit" }));
  });
  child.on("error", (error) => lost.reject(toError(error)));
  await Promise.race([once(child, "spawn"), lost.promise]);
  return {
    lost: lost.promise,
    release: () => {
      if (released) return;
      released = true;
      child.stdin.end();
      logger.debug("the machine's shutdown waits no longer");
    },
  };
}

function bounded(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]);
}
