import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DelayedKeys } from "./delayed-keys.ts";

test("gives keys in the order of their times, each once and at its earliest", () => {
  const additions = fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 1_000 })));
  fc.assert(
    fc.property(additions, (pairs) => {
      const delayed = new DelayedKeys<number>();
      const earliest = new Map<number, number>();
      for (const [key, due] of pairs) {
        assert.equal(delayed.add(key, due), due < (earliest.get(key) ?? Infinity));
        earliest.set(key, Math.min(due, earliest.get(key) ?? Infinity));
        assert.equal(delayed.nextDue(), Math.min(...earliest.values()));
      }
      assert.equal(delayed.size, earliest.size);
      const taken = [...delayed.takeDue(500), ...delayed.takeDue(1_000)];
      const dues = taken.map((key) => earliest.get(key) ?? -1);
      assert.deepEqual(new Set(taken), new Set(earliest.keys()));
      assert.deepEqual(
        dues,
        dues.toSorted((a, b) => a - b),
      );
      assert.equal(delayed.size, 0);
      assert.equal(delayed.nextDue(), undefined);
    }),
  );
});
