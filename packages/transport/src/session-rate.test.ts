import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "@kedge/runtime";
import { RETRY_AFTER_SECONDS_MAX, SessionRate } from "./session-rate.ts";

const stoppedClock = () => {
  let ms = 0;
  return { clock: { ...systemClock, monotonic: () => ms }, passMs: (more: number) => void (ms += more) };
};

test("lets a burst in, then tells each when it is its turn", () => {
  const { clock, passMs } = stoppedClock();
  const rate = new SessionRate(10, 5, clock);
  assert.deepEqual(
    Array.from({ length: 5 }, () => rate.take()),
    [0, 0, 0, 0, 0],
  );
  const later = Array.from({ length: 30 }, () => rate.take());
  assert.deepEqual([later[0], later[9], later[10], later[29]], [1, 1, 2, 3]);
  passMs(1_000);
  assert.equal(rate.take(), 0);
});

test("a place that is given back is there for the next", () => {
  const rate = new SessionRate(1, 1, stoppedClock().clock);
  assert.equal(rate.take(), 0);
  rate.giveBack();
  assert.equal(rate.take(), 0);
  assert.equal(rate.take(), 1);
});

test("nobody is sent away for long, however many knock", () => {
  const { clock, passMs } = stoppedClock();
  const rate = new SessionRate(1, 1, clock);
  for (let at = 0; at < 10_000; at += 1) assert.ok(rate.take() <= RETRY_AFTER_SECONDS_MAX);
  passMs((RETRY_AFTER_SECONDS_MAX + 1) * 1_000);
  rate.take();
  assert.ok(rate.take() <= 2, "what was expected long ago does not count any more");
});

test("15,000 nodes that do as they are told are all in as fast as the rate allows, with few tries", () => {
  const { clock, passMs } = stoppedClock();
  const [nodes, perSecond, burst] = [15_000, 200, 1_000];
  const rate = new SessionRate(perSecond, burst, clock);
  /** Tries by the second in which they are made. */
  const due = new Map([[0, nodes]]);
  let [inside, tries, second] = [0, 0, 0];
  for (; inside < nodes; second += 1) {
    const now = due.get(second) ?? 0;
    due.delete(second);
    for (let at = 0; at < now; at += 1) {
      tries += 1;
      const seconds = rate.take();
      if (seconds === 0) inside += 1;
      else due.set(second + seconds, (due.get(second + seconds) ?? 0) + 1);
    }
    passMs(1_000);
  }
  assert.ok(second <= (nodes - burst) / perSecond + 2, `${second} s`);
  assert.ok(tries <= 2.1 * nodes, `${tries} tries`);
});
