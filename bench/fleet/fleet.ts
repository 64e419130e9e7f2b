import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestBed } from "../../test/e2e/test-bed.ts";
import { kubernetesCloud } from "../../test/e2e/test-cloud.ts";
import type { Figure, Report } from "../report.ts";
import { EventLoopProbe } from "./event-loop-probe.ts";
import { cloudProgram, type FleetCloud, runningCloud, startBareCloud } from "./fleet-cloud.ts";
import { measureFootprint } from "./footprint-and-updates.ts";
import { measureIdleTraffic } from "./idle-traffic.ts";
import { measureOutages } from "./outages.ts";
import { measureSessions } from "./sessions.ts";
import type { EdgeProtocol } from "./simulated-edge.ts";

export type FleetReport = (metric: string, value: number, unit: Figure["unit"], target?: number) => void;

export interface FleetOptions {
  /** One of {@link FLEET_PARTS}; absent: all. */
  readonly only: string | undefined;
  /** `kedge`, `stock`, or `wss://host:port` of one that runs. */
  readonly cloudcore: string;
  /** What simulated edges speak. */
  readonly protocol: EdgeProtocol;
  /** Of the cluster of a cloudcore that runs. */
  readonly kubeconfig: string | undefined;
  /** Sessions to hold. */
  readonly sessions: number;
}

type Part = (options: FleetOptions, report: FleetReport) => Promise<void>;

/** By the ids of the figures that we want to reach: docs/PERFORMANCE.md. */
export const FLEET_PARTS: Readonly<Record<string, Part>> = {
  h1: async (options, report) => {
    await using scope = new AsyncDisposableStack();
    const dir = tempDir(scope);
    const probe = options.cloudcore === "kedge" ? new EventLoopProbe(dir) : undefined;
    const cloud = scope.use(await anyCloud(options, dir, probe));
    await measureSessions(cloud, options.sessions, options.protocol, probe, report);
  },
  "h2-h3": async (options, report) => {
    await using scope = new AsyncDisposableStack();
    const dir = tempDir(scope);
    const cloud = scope.use(
      isProgram(options.cloudcore)
        ? await kubernetesCloud(cloudProgram(options.cloudcore))(dir, "127.0.0.1")
        : await anyCloud(options, dir, undefined),
    );
    await measureFootprint(cloud, options.protocol, report);
  },
  h9: onNode(measureIdleTraffic),
  h8: onNode(measureOutages),
};

/** With an agent of ours and a containerd, on Kubernetes with its controllers. */
function onNode(measure: (bed: TestBed, report: FleetReport) => Promise<void>): Part {
  return async ({ cloudcore }, report) => {
    if (!isProgram(cloudcore)) return console.error("kedge: H8 and H9 need a cloudcore that they may kill: left out");
    await using bed = await TestBed.start(kubernetesCloud(cloudProgram(cloudcore)), "bench-fleet");
    await measure(bed, report);
  };
}

/** What a cloudcore does with many nodes, and how long an outage hurts one. */
export async function fleet(options: FleetOptions, report: Report): Promise<void> {
  for (const [id, part] of Object.entries(FLEET_PARTS)) {
    if (options.only !== undefined && options.only !== id) continue;
    await part(options, (metric, value, unit, target) =>
      report({ bench: "fleet", metric, value, unit, ...(target !== undefined && { target }) }),
    );
  }
}

function isProgram(cloudcore: string): cloudcore is "kedge" | "stock" {
  return cloudcore === "kedge" || cloudcore === "stock";
}

async function anyCloud(
  { cloudcore, kubeconfig }: FleetOptions,
  dir: string,
  probe: EventLoopProbe | undefined,
): Promise<FleetCloud> {
  if (!isProgram(cloudcore)) return runningCloud(cloudcore, kubeconfig ?? process.env["KUBECONFIG"] ?? "");
  const program = cloudProgram(cloudcore);
  return startBareCloud(dir, probe?.observe(program) ?? program);
}

function tempDir(scope: AsyncDisposableStack): string {
  const dir = mkdtempSync(join(tmpdir(), "kedge-bench-"));
  scope.defer(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
