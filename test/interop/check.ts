import type { ObjectKey } from "@kedge/kube";
import { NAMESPACE, type TestBed } from "../e2e/test-bed.ts";
import type { Pair } from "./pairs.ts";

/** One row of the table: what has to work between any two ends. Rows are run in order, on one cluster and node. */
export interface Check {
  readonly name: string;
  readonly run: (bed: TestBed) => Promise<void>;
  /** Pairs of which our end cannot do this yet, and why. */
  readonly notYet?: Partial<Record<Pair["name"], string>>;
  /** Pairs of which the stock end cannot do this. */
  readonly stockDefects?: Partial<Record<Pair["name"], StockDefect>>;
}

/** `weakness`: its number in the list, if it has one, and what one sees. `run` takes the place of the row's. */
export interface StockDefect {
  readonly weakness: string;
  readonly run: (bed: TestBed) => Promise<void>;
}

/** For what an API answers at once. */
export const signal = (): AbortSignal => AbortSignal.timeout(60_000);
/** For what needs both ends, in seconds. A stock edge that misses an answer asks again after a minute (W36). */
export const BOTH_ENDS_SECONDS = 150;
export const BOTH_ENDS_MS = BOTH_ENDS_SECONDS * 1000;

export const key = (name: string): ObjectKey => ({ namespace: NAMESPACE, name });
