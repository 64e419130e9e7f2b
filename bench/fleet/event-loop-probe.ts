import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { CloudProgram } from "../../test/e2e/test-cloud.ts";

const ANSWER_MS = 10_000;
const POLL_MS = 20;

/**
 * Runs in the measured program, as JavaScript, so that it needs no type stripper there: counts how late timers come and,
 * when told, writes what it has counted since the last time.
 */
const PROBE = `
import { monitorEventLoopDelay } from "node:perf_hooks";
import { renameSync, writeFileSync } from "node:fs";
const file = process.env.KEDGE_BENCH_EVENT_LOOP;
const delays = monitorEventLoopDelay({ resolution: 10 });
delays.enable();
process.on("SIGUSR2", () => {
  const ms = (value) => value / 1e6 - 10;
  const text = JSON.stringify({ p50: ms(delays.percentile(50)), p99: ms(delays.percentile(99)), max: ms(delays.max) });
  delays.reset();
  writeFileSync(file + ".part", text);
  renameSync(file + ".part", file);
});`;

/** Milliseconds that the event loop was late. */
export interface EventLoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Tells how long a Node program keeps its event loop busy. */
export class EventLoopProbe {
  readonly #file: string;

  constructor(dir: string) {
    this.#file = join(dir, "event-loop.json");
  }

  /** The same program, observed. */
  observe(program: CloudProgram): CloudProgram {
    const source = `data:text/javascript;base64,${Buffer.from(PROBE).toString("base64")}`;
    const settings = [`NODE_OPTIONS=--import=${source}`, `KEDGE_BENCH_EVENT_LOOP=${this.#file}`];
    return (configFile) => ["/usr/bin/env", ...settings, ...program(configFile)];
  }

  /** What was counted since the last time. */
  async read(pid: number): Promise<EventLoopDelay> {
    const signal = AbortSignal.timeout(ANSWER_MS);
    rmSync(this.#file, { force: true });
    process.kill(pid, "SIGUSR2");
    while (!existsSync(this.#file)) await delay(POLL_MS, undefined, { signal });
    return JSON.parse(readFileSync(this.#file, "utf8")) as EventLoopDelay;
  }
}
