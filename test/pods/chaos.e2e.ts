import { describe, test } from "node:test";
import { toError } from "@kedge/runtime";
import { TestEdgeNode } from "../e2e/test-edge-node.ts";
import { planChaos } from "./chaos-plan.ts";
import { ChaosWorld } from "./chaos-world.ts";
import { LONG } from "./long-form.ts";

/** `./kedge test --long`: two hundred operations of each of three seeds. `KEDGE_SEED=N` plays one again. */
const [SEEDS, STEPS] = LONG ? [3, 200] : [1, 40];
const TIMEOUT_MS = 20 * 60_000;
const only = process.env["KEDGE_SEED"];
const first = Math.floor(Math.random() * 1e9);
const seeds = only === undefined ? Array.from({ length: SEEDS }, (_, n) => first + n) : [Number(only)];

describe("chaos", { skip: TestEdgeNode.missing() }, () => {
  for (const seed of seeds)
    test(
      `after ${STEPS} random operations the runtime holds what the API says: seed ${seed}`,
      { timeout: TIMEOUT_MS },
      async (t) => {
        const plan = planChaos(seed, STEPS);
        t.diagnostic(`KEDGE_SEED=${seed}`);
        await using world = await ChaosWorld.start();
        for (const [index, step] of plan.entries())
          await world.play(step).catch((error: unknown) => {
            throw new Error(`operation ${index + 1}, ${step.operation}: ${toError(error).message}`, { cause: error });
          });
        await world.settle();
        await world.clear();
      },
    );
});
