import assert from "node:assert/strict";
import { test } from "node:test";
import type { TokenRequest } from "@kedge/kube";
import { tokenState } from "./token-row.ts";

const token = {
  spec: { audiences: [], expirationSeconds: 3600 },
  status: { token: "t", expirationTimestamp: "2026-01-01T01:00:00Z" },
};

for (const { at, state, name } of [
  { at: "2026-01-01T00:00:00Z", state: "fresh", name: "just issued" },
  { at: "2026-01-01T00:47:59Z", state: "fresh", name: "before 80 % of its life" },
  { at: "2026-01-01T00:48:01Z", state: "aging", name: "after it" },
  { at: "2026-01-01T01:00:00Z", state: "expired", name: "at its end" },
  { at: "2026-03-31T00:00:00Z", state: "expired", name: "90 days later" },
  { at: "1970-01-01T00:00:10Z", state: "aging", name: "by a clock that was never set: it may be past its end" },
  { at: "2025-12-31T23:58:00Z", state: "fresh", name: "by a clock that is a little late" },
])
  test(`W-16: a token ${name} is ${state}`, () =>
    assert.equal(tokenState(token as TokenRequest, Date.parse(at)), state));
