import assert from "node:assert/strict";
import { test } from "node:test";
import { parseGoDuration } from "./go-duration.ts";

const cases: [string, number | undefined][] = [
  ["0", 0],
  ["10s", 10_000],
  ["1m30s", 90_000],
  ["4h0m0s", 14_400_000],
  ["100ms", 100],
  ["1.5h", 5_400_000],
  [".5s", 500],
  ["2us", 0.002],
  ["3µs", 0.003],
  ["-1m", -60_000],
  ["", undefined],
  ["10", undefined],
  ["s", undefined],
  ["10 s", undefined],
  ["10sm", undefined],
  ["1d", undefined],
  [".s", undefined],
  ["--1s", undefined],
];
for (const [text, ms] of cases)
  test(`parseGoDuration(${JSON.stringify(text)}) is ${ms}`, () => assert.equal(parseGoDuration(text), ms));
