import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { TestNetwork } from "../e2e/test-network.ts";
import { CloudObserver } from "./cloud-observer.ts";
import { DownstreamWork } from "./downstream-work.ts";
import { FaultCloud } from "./fault-cloud.ts";
import { FaultEdge } from "./fault-edge.ts";
import { FaultLink } from "./fault-link.ts";
import type { Fault, FaultPlan } from "./fault-plan.ts";
import { SeededRandom } from "./seeded-random.ts";

const run = promisify(execFile);
export const NODE = "edge-faults";
export const DEVICE = "counter";
const DELAY_MS = 300;
const EVERY_TENTH_DROPPED = ["-m", "statistic", "--mode", "random", "--probability", "0.1", "-j", "DROP"];
const POLL_MS = 20;
/** Without any progress for this long something is wrong. */
const STUCK_MS = 60_000;

/** A cloud, an edge on another host, the line between them, and what is done to them. */
export class FaultWorld implements AsyncDisposable {
  readonly cloud: FaultCloud;
  readonly edge: FaultEdge;
  readonly observer: CloudObserver;
  readonly downstream: DownstreamWork;
  readonly #link: FaultLink;
  readonly #network: TestNetwork;
  readonly #scope: AsyncDisposableStack;
  readonly #random: SeededRandom;

  private constructor(
    parts: { cloud: FaultCloud; edge: FaultEdge; observer: CloudObserver; downstream: DownstreamWork },
    line: { link: FaultLink; network: TestNetwork },
    seed: number,
    scope: AsyncDisposableStack,
  ) {
    this.cloud = parts.cloud;
    this.edge = parts.edge;
    this.observer = parts.observer;
    this.downstream = parts.downstream;
    this.#link = line.link;
    this.#network = line.network;
    this.#random = new SeededRandom(seed ^ 0x5eed);
    this.#scope = scope;
  }

  static async start({ seed, messages }: FaultPlan): Promise<FaultWorld> {
    await using scope = new AsyncDisposableStack();
    const dir = await mkdtemp(join(tmpdir(), "kedge-faults-"));
    scope.defer(() => rm(dir, { recursive: true, force: true }));
    const network = scope.use(await TestNetwork.create());
    const cloud = scope.use(await FaultCloud.start(dir, [network.hostAddress]));
    const link = scope.use(await FaultLink.start(cloud.ports.cloudHub, network.hostAddress));
    const join10002 = scope.use(await FaultLink.start(cloud.ports.https, network.hostAddress));
    const downstream = await DownstreamWork.start(cloud.kube, NODE, DEVICE, seed);
    const observer = scope.use(await CloudObserver.start(cloud.kube));
    const edge = scope.use(
      await FaultEdge.start({
        dir,
        netns: network.netns,
        node: NODE,
        device: DEVICE,
        messages,
        token: await cloud.token(),
        servers: {
          websocket: `${network.hostAddress}:${link.port}`,
          https: `${network.hostAddress}:${join10002.port}`,
        },
      }),
    );
    return new FaultWorld({ cloud, edge, observer, downstream }, { link, network }, seed, scope.move());
  }

  /** Resolves when the agent has tried that many messages, or is done. */
  async untilTried(messages: number): Promise<void> {
    let [last, since] = [0, performance.now()];
    for (;;) {
      this.edge.tellArrived(this.observer.arrived);
      const { tried, done } = this.edge.journal();
      if (done || tried >= messages) return;
      if (tried > last) [last, since] = [tried, performance.now()];
      if (performance.now() - since > STUCK_MS)
        throw new Error(`no progress after ${tried} messages\n${this.edge.logTail()}\n${this.cloud.logTail()}`);
      if (!this.cloud.cloudCoreRuns) throw new Error(`cloudcore ended by itself\n${this.cloud.logTail()}`);
      if (!this.edge.running) throw new Error(`the agent ended by itself\n${this.edge.logTail()}`);
      await this.downstream.step();
      await delay(POLL_MS);
    }
  }

  /** Does something bad, and puts it right again. */
  async inflict(fault: Fault, lastsMs: number): Promise<void> {
    switch (fault) {
      case "killCloud":
        return this.#restartCloud(lastsMs);
      case "killCloudThreeTimes":
        for (const _ of [1, 2, 3]) await this.#restartCloud(this.#random.between(0, 1_500));
        return;
      case "killApiServer":
        await this.cloud.killApiServer();
        await delay(lastsMs);
        return this.cloud.startApiServer();
      case "killEdge":
        return this.#restartEdge(lastsMs);
      case "killBoth":
        await Promise.all([this.cloud.killCloudCore(), this.edge.kill()]);
        await delay(lastsMs);
        this.edge.startAgent();
        return this.cloud.startCloudCore();
      case "cutMidFrame":
        this.#link.cutAfter(this.#random.between(0, 20_000));
        return;
      case "halfOpen":
        await this.#network.setLink("down");
        await delay(lastsMs * 2);
        return this.#network.setLink("up");
      case "lossAndDelay":
        return this.#lossAndDelay(lastsMs);
      case "fullDisk":
        this.edge.fillDisk();
        await delay(lastsMs);
        return this.edge.freeDisk();
      case "databaseBusy":
        return this.#databaseBusy(lastsMs);
      case "clockForward":
      case "clockBack":
        this.edge.setClock(fault === "clockForward" ? "+90d" : "-90d");
        if (this.#random.next() < 0.5) this.#link.cutAfter(0); // connect with the wrong clock, too
        await delay(lastsMs);
        return this.edge.setClock("+0d");
    }
  }

  async #restartCloud(lastsMs: number): Promise<void> {
    await this.cloud.killCloudCore();
    await delay(lastsMs);
    await this.cloud.startCloudCore();
  }

  async #restartEdge(lastsMs: number): Promise<void> {
    await this.edge.kill();
    await delay(lastsMs);
    this.edge.startAgent();
  }

  /** Every tenth packet is lost in each direction, and the others take 300 ms more. */
  async #lossAndDelay(lastsMs: number): Promise<void> {
    const rule = (verb: string, chain: string) =>
      run("ip", ["netns", "exec", this.#network.netns, "iptables", verb, chain, ...EVERY_TENTH_DROPPED]);
    this.#link.setDelay(DELAY_MS);
    for (const chain of ["INPUT", "OUTPUT"]) await rule("-A", chain);
    await delay(lastsMs * 2);
    for (const chain of ["INPUT", "OUTPUT"]) await rule("-D", chain);
    this.#link.setDelay(0);
  }

  /** An agent that is started twice, say: the second must not harm the first, nor stay away when it may run. */
  async #databaseBusy(lastsMs: number): Promise<void> {
    await this.edge.kill();
    this.edge.lockDatabase();
    this.edge.startAgent();
    await delay(lastsMs);
    this.edge.unlockDatabase();
    if (!this.edge.running) this.edge.startAgent(); // as a service manager does
  }

  /** Resident memory of cloudcore and of the agent, in MB. */
  async memory(): Promise<{ cloud: number; edge: number }> {
    const rss = async (pid: number | undefined) => {
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
    };
    return { cloud: await rss(this.cloud.cloudCorePid), edge: await rss(this.edge.pid) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
  }
}
