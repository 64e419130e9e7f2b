/**
 * `./kedge bench [NAME] [--plane embedded|kubernetes] [--seconds N]`: measures on a control plane and a node of its own
 * and prints one JSON line a figure. Targets: docs/PERFORMANCE.md.
 */
import { parseArgs } from "node:util";
import { prepareKubernetes } from "../scripts/prepare-kubernetes.ts";
import { CONTROL_PLANES, TestBed } from "../test/e2e/test-bed.ts";
import { cloudFootprint } from "./cloud-footprint.ts";
import { configPropagation } from "./config-propagation.ts";
import { edgeFootprint } from "./edge-footprint.ts";
import { podStart } from "./pod-start.ts";
import { printFigure } from "./report.ts";
import { twinLatency } from "./twin-latency.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    plane: { type: "string", default: "kubernetes" },
    seconds: { type: "string", default: "300" },
  },
});
const seconds = Number(values.seconds);

const BENCHES: Readonly<Record<string, (bed: TestBed) => Promise<void>>> = {
  "pod-start": (bed) => podStart(bed, printFigure),
  "edge-footprint": (bed) => edgeFootprint(bed, printFigure, seconds),
  "cloud-footprint": () => Promise.resolve(), // begins without a node: on a cloud of its own, below
  "config-propagation": (bed) => configPropagation(bed, printFigure),
  "twin-latency": (bed) => twinLatency(bed, printFigure),
};

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
if (plane === undefined || plane.skip !== false) {
  console.error(`kedge: cannot measure here: ${plane === undefined ? "no such plane" : plane.skip}`);
  process.exit(1);
}
for (const [name, bench] of Object.entries(BENCHES)) {
  if (wanted !== undefined && wanted !== name) continue;
  if (name === "cloud-footprint") {
    await cloudFootprint(plane.start, printFigure, values.plane);
    continue;
  }
  await using bed = await TestBed.start(plane.start, `bench-${name}`);
  await bench(bed);
}
