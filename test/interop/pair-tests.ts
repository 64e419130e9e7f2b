import { after, before, describe, test } from "node:test";
import { toError } from "@kedge/runtime";
import { TestBed } from "../e2e/test-bed.ts";
import { kubernetesCloud } from "../e2e/test-cloud.ts";
import { DEVICE_CHECKS, DEVICE_OUTAGE_CHECKS } from "./device-checks.ts";
import { EdgeHost } from "./edge-host.ts";
import { OUTAGE_CHECKS } from "./outage-checks.ts";
import { IMPATIENT, type Pair, PAIRS } from "./pairs.ts";
import { WORKLOAD_CHECKS } from "./workload-checks.ts";

const CHECKS = [...WORKLOAD_CHECKS, ...DEVICE_CHECKS, ...OUTAGE_CHECKS, ...DEVICE_OUTAGE_CHECKS];
const CHECK_TIMEOUT_MS = 400_000;

/** One pair's column of the table, on a cluster and a node of its own. */
export function describePair(pair: Pair): void {
  describe(pair.name, { concurrency: 1 }, () => {
    const scope = new AsyncDisposableStack();
    let bed: TestBed;
    before(async () => {
      const host = scope.use(await EdgeHost.create());
      const name = `edge-${PAIRS.indexOf(pair)}`;
      const options = { ...IMPATIENT, program: pair.edge, enter: host.enter };
      bed = scope.use(await TestBed.start(kubernetesCloud(pair.cloud, pair.crds), name, options));
    });
    after(() => scope.disposeAsync());

    for (const { name, run, notYet, stockDefects } of CHECKS) {
      const defect = stockDefects?.[pair.name];
      test(
        defect === undefined ? name : `${name} (stock: ${defect.weakness})`,
        { timeout: CHECK_TIMEOUT_MS, skip: notYet?.[pair.name] ?? false },
        async () => {
          try {
            await (defect?.run ?? run)(bed);
          } catch (error) {
            const logs = `cloud: ${bed.cloud.logTail()}\nedge: ${bed.node.logTail()}`;
            throw new Error(`${toError(error).message}\n${logs}`, { cause: error });
          }
        },
      );
    }
  });
}
