import { SeededRandom } from "./seeded-random.ts";

/** What may go wrong; each is done, and where it is a state undone, by `fault-world.ts`. */
export const FAULTS = [
  "killCloud",
  "killCloudThreeTimes",
  "killApiServer",
  "killEdge",
  "killBoth",
  "cutMidFrame",
  "halfOpen",
  "lossAndDelay",
  "fullDisk",
  "databaseBusy",
  "clockForward",
  "clockBack",
] as const;
export type Fault = (typeof FAULTS)[number];

export interface FaultStep {
  /** Messages that the edge accepts before the fault. */
  readonly afterMessages: number;
  readonly fault: Fault;
  /** How long a fault that is a state lasts. */
  readonly lastsMs: number;
}

export interface FaultPlan {
  readonly seed: number;
  readonly messages: number;
  readonly steps: readonly FaultStep[];
}

/** All of a run that is up to chance. */
export function planFaults(seed: number, messages: number, faults: readonly Fault[]): FaultPlan {
  const random = new SeededRandom(seed);
  const steps: FaultStep[] = [];
  const every = Math.max(50, Math.round(messages / 14));
  const [first = "killCloud", ...others] = faults;
  for (let at = 0; ;) {
    const afterMessages = random.between(Math.round(every / 4), every + Math.round(every / 2));
    at += afterMessages;
    if (at >= messages) return { seed, messages, steps };
    steps.push({ afterMessages, fault: random.pick([first, ...others]), lastsMs: random.between(300, 4_000) });
  }
}
