import type { OutboxEntry } from "./outbox.ts";

/** How one link carries the outbox, and how we learn what has arrived. */
export interface OutboxDelivery {
  /** What to send next, oldest first; none: nothing waits. */
  page(): Promise<OutboxEntry[]>;
  /** Whether one more may be on its way. */
  hasRoom(entry: OutboxEntry): boolean;
  /** Sends it. @throws {LinkError} */
  send(entry: OutboxEntry): Promise<void>;
  /** Learns what has arrived and takes it off the disk, for as long as `signal` lets it. */
  run(signal: AbortSignal): Promise<void>;
  /** The link is over: what is known to have arrived leaves the disk. Never throws. */
  end(): Promise<void>;
}
