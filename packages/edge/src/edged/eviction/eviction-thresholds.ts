import { NodeConfigError } from "../node/check-node-config.ts";
import { quantityValue } from "../resources/quantity.ts";
import { type EvictionSignal, isEvictionSignal } from "./eviction-signals.ts";

/** So much, or such a part of the capacity. */
export type Amount = { readonly units: number } | { readonly share: number };

/** Below `value` the node is under pressure. */
export interface Threshold {
  readonly signal: EvictionSignal;
  readonly value: Amount;
  /** Pods are evicted only after the pressure has lasted for so long; 0: a hard threshold. */
  readonly graceMs: number;
  /** Once below, so much above `value` must come back before the pressure counts as over. */
  readonly minimumReclaim: Amount | undefined;
}

/** As edgecore.yaml has them; durations in ms. */
export interface EvictionSettings {
  readonly hard: Readonly<Record<string, string>>;
  readonly soft?: Readonly<Record<string, string>> | undefined;
  readonly softGraceMs?: Readonly<Record<string, number>> | undefined;
  readonly minimumReclaim?: Readonly<Record<string, string>> | undefined;
  /** `enforceNodeAllocatable` has `pods`: what all pods may use together counts as a node of its own. */
  readonly enforcesPods: boolean;
}

const KUBELET = "modules.edged.tailoredKubeletConfig";
/** Signals of a file system that is one of the others here: Kubernetes, too, takes their thresholds from there. */
const SAME_AS_OTHERS: ReadonlySet<string> = new Set(["containerfs.available", "containerfs.inodesFree"]);

/** @throws NodeConfigError with path, value and what is expected there. */
export function evictionThresholds(settings: EvictionSettings): Threshold[] {
  const reclaims = parseAmounts("evictionMinimumReclaim", settings.minimumReclaim, false);
  const thresholds: Threshold[] = [];
  for (const [signal, value] of parseAmounts("evictionHard", settings.hard, true))
    thresholds.push({ signal, value, graceMs: 0, minimumReclaim: reclaims.get(signal) });
  for (const [signal, value] of parseAmounts("evictionSoft", settings.soft, true)) {
    const graceMs = settings.softGraceMs?.[signal];
    if (graceMs === undefined)
      throw invalid("evictionSoftGracePeriod", signal, undefined, `a time, since evictionSoft names ${signal}`);
    if (graceMs < 0) throw invalid("evictionSoftGracePeriod", signal, String(graceMs), "a time of 0s or more");
    thresholds.push({ signal, value, graceMs, minimumReclaim: reclaims.get(signal) });
  }
  if (!settings.enforcesPods) return thresholds;
  const ofPods = thresholds
    .filter(({ signal, graceMs }) => signal === "memory.available" && graceMs === 0)
    .map((threshold): Threshold => ({ ...threshold, signal: "allocatableMemory.available" }));
  return [...thresholds, ...ofPods];
}

/** In the unit of its signal. */
export function amountOf(amount: Amount, capacity: number): number {
  return "units" in amount ? amount.units : Math.floor(amount.share * capacity);
}

function parseAmounts(
  key: string,
  amounts: Readonly<Record<string, string>> = {},
  isThreshold: boolean,
): Map<EvictionSignal, Amount> {
  const parsed = new Map<EvictionSignal, Amount>();
  for (const [signal, text] of Object.entries(amounts)) {
    if (SAME_AS_OTHERS.has(signal)) continue;
    if (!isEvictionSignal(signal)) throw invalid(key, signal, text, "no such key: there is no signal of this name");
    const percentage = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
    if (percentage !== undefined) {
      const share = Number(percentage) / 100;
      // As a kubelet has it: these two switch a threshold off.
      if (isThreshold && (text === "0%" || text === "100%")) continue;
      if (share > 1 || (!isThreshold && share === 0)) throw invalid(key, signal, text, "a percentage up to 100%");
      parsed.set(signal, { share });
      continue;
    }
    let units: number;
    try {
      units = quantityValue(text);
    } catch (error) {
      throw invalid(key, signal, text, "a quantity such as 100Mi, or a percentage", error);
    }
    if (units < 0 || (isThreshold && units === 0)) throw invalid(key, signal, text, "a quantity above 0");
    parsed.set(signal, { units });
  }
  return parsed;
}

function invalid(
  key: string,
  signal: string,
  text: string | undefined,
  expected: string,
  cause?: unknown,
): NodeConfigError {
  const path = `${KUBELET}.${key}.${signal}`;
  const what = text === undefined ? "is missing" : `is ${JSON.stringify(text)}`;
  return new NodeConfigError(`${path} ${what}: expected ${expected}`, { code: "InvalidNodeConfig", path }, { cause });
}
