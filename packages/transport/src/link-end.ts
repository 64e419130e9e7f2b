import type { Logger } from "@kedge/runtime";
import { MessageCompression } from "./message-compression.ts";
import { Sweep } from "./sweep.ts";
import type { TrafficHook } from "./traffic-type.ts";

export interface WebSocketLinkOptions {
  readonly logger: Logger;
  /** A small message that the peer does not take within this time ends the link (W34); a large one has more. */
  readonly writeTimeoutMs: number;
  /**
   * How often the peer says something, its heartbeat. If it is silent for longer it gets a ping, which any WebSocket peer
   * answers; if it stays silent the link ends: always within 1.5 times this, so that half-open links are found (W35).
   * 0 switches this off.
   */
  readonly pingAfterMs: number;
  readonly onTraffic?: TrafficHook | undefined;
}

/**
 * Silence is counted in looks, not by a clock: a process that stood still for a minute has heard nothing, and must not
 * think all its peers dead before it has read what they sent meanwhile.
 */
const LOOKS_PER_HEARTBEAT = 16;
/** Later than a heartbeat that is on time, so that a peer with one gets no pings. */
const PING_LOOKS = 17;
/** The first look is up to a look late, and timers drift: 23 of 24 looks are 1.44 heartbeats. */
const END_LOOKS = 22;
const LOOKS_PER_WRITE_TIMEOUT = 8;
const LOOK_MS_MIN = 5;
const LOOK_MS_MAX = 1_000;

/** What all links of one server have in common; a client has one link. */
export interface LinkEnd {
  readonly options: WebSocketLinkOptions;
  /** WebSocket has what clients send masked. */
  readonly masks: boolean;
  readonly sweep: Sweep;
  readonly compression: MessageCompression;
  /** Looks without a byte from the peer, until it gets a ping; and until the link ends. */
  readonly pingLooks: number;
  readonly endLooks: number;
}

export function linkEnd(options: WebSocketLinkOptions, masks: boolean): LinkEnd {
  const { pingAfterMs, writeTimeoutMs } = options;
  const heartbeatMs = pingAfterMs > 0 ? pingAfterMs : Infinity;
  const wantedMs = Math.min(heartbeatMs / LOOKS_PER_HEARTBEAT, writeTimeoutMs / LOOKS_PER_WRITE_TIMEOUT);
  const lookMs = Math.floor(Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, wantedMs)));
  const looksPerHeartbeat = heartbeatMs / lookMs;
  return {
    options,
    masks,
    sweep: new Sweep(lookMs),
    compression: new MessageCompression(),
    pingLooks: Math.floor((looksPerHeartbeat * PING_LOOKS) / LOOKS_PER_HEARTBEAT),
    endLooks: Math.floor((looksPerHeartbeat * END_LOOKS) / LOOKS_PER_HEARTBEAT),
  };
}
