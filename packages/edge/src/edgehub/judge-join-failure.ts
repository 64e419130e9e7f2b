import { HubError } from "./hub-error.ts";

/** Clocks that differ by less do not make a certificate look expired, but for minutes of its life. */
const CLOCK_AHEAD_MS_MAX = 5 * 60_000;

export interface JoinFacts {
  /** `https://host:10002`. */
  readonly server: string;
  /** How far our clock is ahead of the cloud's; `undefined`: it does not tell its time. */
  readonly clockAheadMs: number | undefined;
  readonly tokenExpiresMs: number | undefined;
  readonly nowMs: number;
}

/** With the cloud's time known, what may have one of two causes has one. */
export function judgeJoinFailure(failure: HubError, facts: JoinFacts): HubError {
  const { server, clockAheadMs = 0, tokenExpiresMs, nowMs } = facts;
  const { code } = failure;
  const isClock = Math.abs(clockAheadMs) > CLOCK_AHEAD_MS_MAX;
  if (isClock && (code === "ClockWrong" || code === "ServerCertificateExpired"))
    return new HubError(
      `this host's clock is ${duration(clockAheadMs)} ${clockAheadMs > 0 ? "ahead of" : "behind"} that of ${server}, whose certificate it cannot judge therefore: set the clock`,
      { code: "ClockWrong", address: server },
      { cause: failure },
    );
  if (code === "TokenRefused" && tokenExpiresMs !== undefined && tokenExpiresMs <= nowMs - clockAheadMs)
    return new HubError(
      `the join token expired at ${new Date(tokenExpiresMs).toISOString()}: get a new one with \`keadm gettoken\``,
      { code: "TokenExpired", expiredMs: tokenExpiresMs },
      { cause: failure },
    );
  return failure;
}

function duration(ms: number): string {
  const minutes = Math.round(Math.abs(ms) / 60_000);
  if (minutes < 120) return `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}
