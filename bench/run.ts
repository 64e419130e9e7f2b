/**
 * `./kedge bench [NAME] [--plane embedded|kubernetes] [--seconds N]`: measures on a control plane and a node of its own
 * and prints one JSON line a figure. Targets: docs/PERFORMANCE.md; options of the fleet: bench/fleet/README.md.
 */
import { parseArgs } from "node:util";
import { toError } from "@kedge/runtime";
import { TestContainerd, TestKubernetes } from "@kedge/testing";
import { prepareKubernetes } from "../scripts/prepare-kubernetes.ts";
import { CONTROL_PLANES, TestBed } from "../test/e2e/test-bed.ts";
import type { StartCloud } from "../test/e2e/test-cloud.ts";
import { configPropagation } from "./config-propagation.ts";
import { edgeFootprint } from "./edge-footprint.ts";
import { execLatency } from "./exec-latency.ts";
import { fleet, FLEET_PARTS } from "./fleet/fleet.ts";
import { logsThroughput } from "./logs-throughput.ts";
import { podStart } from "./pod-start.ts";
import { printFigure } from "./report.ts";
import { twinLatency } from "./twin-latency.ts";

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        plane: { type: "string", default: "kubernetes" },
        seconds: { type: "string", default: "300" },
        only: { type: "string" },
        cloudcore: { type: "string", default: "kedge" },
        protocol: { type: "string", default: "kedge" },
        kubeconfig: { type: "string" },
        sessions: { type: "string", default: "15000" },
      },
    });
  } catch (error) {
    console.error(
      `kedge: ${toError(error).message}; usage: ./kedge bench [NAME] [--plane embedded|kubernetes] [--seconds N]; what the fleet takes: bench/fleet/README.md`,
    );
    process.exit(1);
  }
}

const { values, positionals } = readArguments();
const seconds = Number(values.seconds);

const BENCHES: Readonly<Record<string, (start: StartCloud) => Promise<void>>> = {
  "pod-start": onNode((bed) => podStart(bed, printFigure)),
  "edge-footprint": (start) => edgeFootprint(start, printFigure, seconds),
  /** The part of the fleet that says what cloudcore takes. */
  "cloud-footprint": () => fleet({ ...fleetOptions(), only: "h2-h3" }, printFigure),
  fleet: () => fleet(fleetOptions(), printFigure),
  "logs-throughput": onNode((bed) => logsThroughput(bed, printFigure)),
  "exec-latency": onNode((bed) => execLatency(bed, printFigure)),
  "config-propagation": onNode((bed) => configPropagation(bed, printFigure)),
  "twin-latency": onNode((bed) => twinLatency(bed, printFigure)),
};

/** The fleet is measured on real Kubernetes, whatever the plane. */
function fleetOptions() {
  const { only, cloudcore, kubeconfig, protocol } = values;
  if (only !== undefined && FLEET_PARTS[only] === undefined)
    throw new Error(`--only takes one of ${Object.keys(FLEET_PARTS).join(", ")}, not '${only}'`);
  if (protocol !== "stock" && protocol !== "kedge") throw new Error(`--protocol takes stock or kedge`);
  const sessions = Number(values.sessions);
  if (!Number.isInteger(sessions) || sessions <= 0)
    throw new Error(`--sessions takes a number above 0, not '${values.sessions}'`);
  return { only, cloudcore, kubeconfig, protocol, sessions } as const;
}

/** Most need a node that has joined. */
function onNode(bench: (bed: TestBed) => Promise<void>): (start: StartCloud) => Promise<void> {
  return async (start) => {
    await using bed = await TestBed.start(start, "bench");
    await bench(bed);
  };
}

const [wanted] = positionals;
if (wanted !== undefined && BENCHES[wanted] === undefined) {
  console.error(`kedge: there is no benchmark '${wanted}'; there are ${Object.keys(BENCHES).join(", ")}`);
  process.exit(1);
}
if (!Number.isFinite(seconds) || seconds <= 0) {
  console.error(`kedge: --seconds takes a number above 0, not '${values.seconds}'`);
  process.exit(1);
}
console.error(`kedge: ${await prepareKubernetes()}`);
const plane = CONTROL_PLANES[values.plane === "kubernetes" ? 1 : 0];
const missing = TestContainerd.missing() || (values.plane === "kubernetes" && TestKubernetes.missing());
if (plane === undefined || missing !== false) {
  console.error(`kedge: cannot measure here: ${missing || "no such plane"}; --plane embedded needs no Kubernetes`);
  process.exit(1);
}
for (const [name, bench] of Object.entries(BENCHES)) {
  if (wanted === undefined ? name !== "cloud-footprint" : wanted === name) await bench(plane.start);
}
