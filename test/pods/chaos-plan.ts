import { SeededRandom } from "../faults/seeded-random.ts";

export const OPERATIONS = [
  "create",
  "delete",
  "force delete",
  "kill a container",
  "restart the agent",
  "restart containerd",
  "cut the link",
] as const;
export type Operation = (typeof OPERATIONS)[number];

/** How often each comes, of a hundred. */
const WEIGHTS: Readonly<Record<Operation, number>> = {
  create: 40,
  delete: 14,
  "force delete": 8,
  "kill a container": 20,
  "restart the agent": 7,
  "restart containerd": 5,
  "cut the link": 6,
};
const PAUSE_MS_MAX = 400;

export interface ChaosStep {
  readonly operation: Operation;
  /** Chooses the pod, or its kind. */
  readonly choice: number;
  /** Until the next: how far the node is with this one when that comes. */
  readonly pauseMs: number;
  /** Of a cut link: after so many further steps it is mended. */
  readonly lastsSteps: number;
}

/** The same seed makes the same plan. */
export function planChaos(seed: number, steps: number): ChaosStep[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: steps }, () => ({
    operation: draw(random),
    choice: random.next(),
    pauseMs: random.between(0, PAUSE_MS_MAX),
    lastsSteps: random.between(1, 5),
  }));
}

function draw(random: SeededRandom): Operation {
  let rest = random.between(1, 100);
  for (const operation of OPERATIONS) {
    rest -= WEIGHTS[operation];
    if (rest <= 0) return operation;
  }
  return "create";
}
