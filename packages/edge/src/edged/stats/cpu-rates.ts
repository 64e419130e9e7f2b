/** Two looks closer than this say little. */
const APART_NS_MIN = 1e9;

interface Look {
  readonly atNs: number;
  readonly cpuNs: number;
  readonly nanoCores: number | undefined;
}

/** What was used per second, between this look and the one before; nothing runs in between. */
export class CpuRates {
  #looks = new Map<string, Look>();
  #next = new Map<string, Look>();

  /** @param key of what is looked at. @returns undefined at the first look. */
  note(key: string, cpuNs: number, atNs: number): number | undefined {
    const before = this.#looks.get(key);
    const look =
      before === undefined || cpuNs < before.cpuNs ? { atNs, cpuNs, nanoCores: undefined } : rate(before, cpuNs, atNs);
    this.#next.set(key, look);
    return look.nanoCores;
  }

  /** All has been looked at once: what was not is gone. */
  roundEnds(): void {
    this.#looks = this.#next;
    this.#next = new Map();
  }
}

function rate(before: Look, cpuNs: number, atNs: number): Look {
  const apartNs = atNs - before.atNs;
  if (apartNs < APART_NS_MIN) return before;
  return { atNs, cpuNs, nanoCores: Math.round(((cpuNs - before.cpuNs) / apartNs) * 1e9) };
}
