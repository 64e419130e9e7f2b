import type { Socket } from "node:net";
import type { Clock } from "@kedge/runtime";
import { Sweep } from "./sweep.ts";

/** TLS handshakes at once. One takes a millisecond of our CPU, but as many round trips as the peer's network needs. */
export const HANDSHAKES_MAX = 256;
/** Of them, from one address: a host whose connections say nothing must not stop the others. */
const HANDSHAKES_PER_ADDRESS_MAX = HANDSHAKES_MAX / 2;
/** Connections that wait for their handshake, in order; more are cut. */
const HANDSHAKES_WAITING_MAX = 4_096;
/** Connections of one address that are not admitted yet; more are cut. A whole site may come from one address. */
const OPENING_PER_ADDRESS_MAX = 2_048;
/** To say something, and to wait for its turn: a peer gives up after 30 s (KubeEdge's default). */
const HANDSHAKE_WAIT_MS = 20_000;
/** Handshake and request, however slowly the bytes come. */
const OPENING_MS = 20_000;

export interface OpeningLimits {
  readonly handshakesMax: number;
  readonly handshakesPerAddressMax: number;
  readonly waitingMax: number;
  readonly perAddressMax: number;
  readonly waitMs: number;
  readonly openingMs: number;
}

export const OPENING_LIMITS: OpeningLimits = {
  handshakesMax: HANDSHAKES_MAX,
  handshakesPerAddressMax: HANDSHAKES_PER_ADDRESS_MAX,
  waitingMax: HANDSHAKES_WAITING_MAX,
  perAddressMax: OPENING_PER_ADDRESS_MAX,
  waitMs: HANDSHAKE_WAIT_MS,
  openingMs: OPENING_MS,
};

interface Opening {
  readonly socket: Socket;
  readonly address: string;
  state: "silent" | "waiting" | "handshaking" | "requesting";
  /** When it is cut. */
  deadlineMs: number;
}

interface OfAddress {
  opening: number;
  handshaking: number;
}

/** How often connections that take too long are looked for, as a share of their time. */
const LOOKS = 16;

/** Connections from the moment they are accepted until they are admitted. Nothing here knows who they are. */
export class OpeningGate {
  readonly #limits: OpeningLimits;
  readonly #begin: (socket: Socket) => void;
  readonly #clock: Clock;
  readonly #sweep: Sweep;
  /** By address and port: the TLS socket does not say which socket it speaks over, but has the same ones. */
  readonly #openings = new Map<string, Opening>();
  readonly #addresses = new Map<string, OfAddress>();
  readonly #waiting: Opening[] = [];
  #handshaking = 0;
  #cut = 0;

  /** @param begin starts the TLS handshake. */
  constructor(limits: OpeningLimits, begin: (socket: Socket) => void, clock: Clock) {
    this.#limits = limits;
    this.#begin = begin;
    this.#clock = clock;
    this.#sweep = new Sweep(Math.max(1, Math.floor(Math.min(limits.waitMs, limits.openingMs) / LOOKS)));
  }

  get handshaking(): number {
    return this.#handshaking;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Connections that were cut before they were admitted, because there were too many or they took too long. */
  get cut(): number {
    return this.#cut;
  }

  /** Whether that connection is there, and not admitted yet. @param name {@link nameOf} it */
  holds(name: string): boolean {
    return this.#openings.has(name);
  }

  /** Takes a connection that nobody has read from. It waits for its turn from the moment that it says something. */
  enter(socket: Socket): void {
    const { remoteAddress: address } = socket;
    if (address === undefined) return void socket.destroy(); // gone already
    const ofAddress = this.#addresses.get(address) ?? { opening: 0, handshaking: 0 };
    if (ofAddress.opening >= this.#limits.perAddressMax) return this.#cutNow(socket);
    const opening: Opening = { socket, address, state: "silent", deadlineMs: this.#inMs(this.#limits.waitMs) };
    ofAddress.opening += 1;
    this.#addresses.set(address, ofAddress);
    this.#openings.set(nameOf(socket), opening);
    if (this.#openings.size === 1) this.#sweep.add(this);
    // Node gives what was read to TLS, whose buffer is then as large as that. Otherwise it is 64 KB for each connection,
    // all of them resident once the process has used that memory for something else.
    socket.once("readable", () => this.#spoke(opening));
  }

  #spoke(opening: Opening): void {
    if (opening.state !== "silent") return;
    if (opening.socket.readableLength === 0 || this.#waiting.length >= this.#limits.waitingMax)
      return this.#cutNow(opening.socket);
    opening.state = "waiting";
    this.#waiting.push(opening);
    this.#next();
  }

  #cutNow(socket: Socket): void {
    this.#cut += 1;
    socket.destroy();
  }

  /** The TLS handshake is done; its place is free for the next. */
  secured(socket: Socket): void {
    const opening = this.#openings.get(nameOf(socket));
    if (opening?.state !== "handshaking") return;
    this.#leaveHandshake(opening);
    opening.state = "requesting";
    this.#next();
  }

  /** The connection is admitted, or over. */
  left(name: string): void {
    const opening = this.#openings.get(name);
    if (opening === undefined) return;
    this.#openings.delete(name);
    if (this.#openings.size === 0) this.#sweep.delete(this);
    if (opening.state === "waiting") this.#waiting.splice(this.#waiting.indexOf(opening), 1);
    else if (opening.state === "handshaking") this.#leaveHandshake(opening);
    const ofAddress = this.#addresses.get(opening.address);
    if (ofAddress !== undefined && --ofAddress.opening === 0) this.#addresses.delete(opening.address);
    this.#next();
  }

  #leaveHandshake({ address }: Opening): void {
    this.#handshaking -= 1;
    const ofAddress = this.#addresses.get(address);
    if (ofAddress !== undefined) ofAddress.handshaking -= 1;
  }

  /** Begins with those that wait longest, but for addresses that have their share already. */
  #next(): void {
    while (this.#handshaking < this.#limits.handshakesMax) {
      const at = this.#waiting.findIndex(
        ({ address }) => (this.#addresses.get(address)?.handshaking ?? 0) < this.#limits.handshakesPerAddressMax,
      );
      const [opening] = at === -1 ? [] : this.#waiting.splice(at, 1);
      if (opening === undefined) return;
      const ofAddress = this.#addresses.get(opening.address);
      if (ofAddress !== undefined) ofAddress.handshaking += 1;
      this.#handshaking += 1;
      opening.state = "handshaking";
      opening.deadlineMs = this.#inMs(this.#limits.openingMs);
      this.#begin(opening.socket);
    }
  }

  #inMs(ms: number): number {
    return this.#clock.monotonic() + ms;
  }

  /** Cuts those that take too long. */
  sweep(): void {
    const nowMs = this.#clock.monotonic();
    for (const [name, { socket, deadlineMs }] of this.#openings)
      if (nowMs >= deadlineMs) {
        this.#cutNow(socket);
        this.left(name);
      }
  }
}

/** The same for a socket and for TLS on top of it. */
export function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
