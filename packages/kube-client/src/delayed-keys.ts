interface Entry<K> {
  readonly key: K;
  readonly due: number;
}

/** Keys and when they are due, the earliest at hand: a binary heap, so that thousands of waiting keys cost little. */
export class DelayedKeys<K> {
  readonly #heap: Entry<K>[] = [];
  /** What counts: an entry of the heap with another time was overtaken. */
  readonly #dueOf = new Map<K, number>();

  get size(): number {
    return this.#dueOf.size;
  }

  /** @returns false if the key is due no later already. */
  add(key: K, due: number): boolean {
    if (due >= (this.#dueOf.get(key) ?? Infinity)) return false;
    this.#dueOf.set(key, due);
    this.#heap.push({ key, due });
    this.#rise(this.#heap.length - 1);
    return true;
  }

  /** When the next key is due; undefined: there is none. */
  nextDue(): number | undefined {
    this.#dropOvertaken();
    return this.#heap[0]?.due;
  }

  /** Removes and returns all keys due by `now`, the earliest first. */
  takeDue(now: number): K[] {
    const keys: K[] = [];
    for (;;) {
      this.#dropOvertaken();
      const first = this.#heap[0];
      if (first === undefined || first.due > now) return keys;
      this.#removeFirst();
      this.#dueOf.delete(first.key);
      keys.push(first.key);
    }
  }

  clear(): void {
    this.#heap.length = 0;
    this.#dueOf.clear();
  }

  #dropOvertaken(): void {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (this.#dueOf.get(first.key) === first.due) return;
      this.#removeFirst();
    }
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink(0);
  }

  #rise(start: number): void {
    for (let index = start; index > 0;) {
      const parent = (index - 1) >> 1;
      if (!this.#swapIfEarlier(index, parent)) return;
      index = parent;
    }
  }

  #sink(start: number): void {
    for (let index = start; ;) {
      const [left, right] = [2 * index + 1, 2 * index + 2];
      const child = this.#dueAt(right) < this.#dueAt(left) ? right : left;
      if (!this.#swapIfEarlier(child, index)) return;
      index = child;
    }
  }

  #dueAt(index: number): number {
    return this.#heap[index]?.due ?? Infinity;
  }

  /** Puts `child` above `parent` if it is due before it. */
  #swapIfEarlier(child: number, parent: number): boolean {
    const [lower, upper] = [this.#heap[child], this.#heap[parent]];
    if (lower === undefined || upper === undefined || lower.due >= upper.due) return false;
    this.#heap[child] = upper;
    this.#heap[parent] = lower;
    return true;
  }
}
