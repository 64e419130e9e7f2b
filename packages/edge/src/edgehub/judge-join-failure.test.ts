import assert from "node:assert/strict";
import { test } from "node:test";
import { HubError } from "./hub-error.ts";
import { judgeJoinFailure } from "./judge-join-failure.ts";

const server = "https://cloud:10002";
const DAY_MS = 24 * 3_600_000;
const nowMs = 1_800_000_000_000;
const expired = new HubError("expired", { code: "ServerCertificateExpired", address: server });
const notYet = new HubError("not yet", { code: "ClockWrong", address: server });
const refused = new HubError("refused", { code: "TokenRefused", fix: "get one" });

const cases = [
  {
    name: "a certificate that only our fast clock calls expired",
    failure: expired,
    clockAheadMs: 90 * DAY_MS,
    says: /^this host's clock is 90 days ahead of that of https:\/\/cloud:10002, .*: set the clock$/,
  },
  {
    name: "a certificate that only our slow clock calls too young",
    failure: notYet,
    clockAheadMs: -3 * 3_600_000,
    says: /clock is 3 hours behind/,
  },
  { name: "a certificate that both call expired", failure: expired, clockAheadMs: 1_000, says: /^expired$/ },
  { name: "a cloud that does not tell its time", failure: expired, clockAheadMs: undefined, says: /^expired$/ },
  {
    name: "a refused token that has expired",
    failure: refused,
    clockAheadMs: 0,
    tokenExpiresMs: nowMs - 1,
    says: /^the join token expired at /,
  },
  {
    name: "a refused token that only our clock calls expired",
    failure: refused,
    clockAheadMs: DAY_MS,
    tokenExpiresMs: nowMs - 1,
    says: /^refused$/,
  },
  {
    name: "a refused token that only our clock calls good",
    failure: refused,
    clockAheadMs: -DAY_MS,
    tokenExpiresMs: nowMs + 1,
    says: /^the join token expired at /,
  },
];
for (const { name, failure, clockAheadMs, tokenExpiresMs, says } of cases)
  test(`${name} has one cause`, () => {
    assert.match(judgeJoinFailure(failure, { server, clockAheadMs, tokenExpiresMs, nowMs }).message, says);
  });
