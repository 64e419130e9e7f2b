import { randomBytes } from "node:crypto";
import { compareResourceVersions, type Node, NODES } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { type Clock, hasCode, type Logger, toError } from "@kedge/runtime";
import { isAway, mayHeal } from "../may-heal.ts";
import type { NodeSession } from "./node-session.ts";
import { CLOUDCORE_ANNOTATION, formatMark, readMark, SESSION_ANNOTATION, sessionEpoch } from "./session-mark.ts";

/** How long a node that connects waits for its claim; after that it is let in, and the claim follows. */
const CLAIM_MS_MAX = 3_000;
/** How often a claim is tried again because the Node has changed meanwhile. */
const CLAIM_TRIES_MAX = 5;
/** Before we do anything for a node that another cloudcore had: so long that it surely has heard. */
const TAKE_OVER_MS = 200;
/** While the API server is away, claims are made up for that often. */
const CLAIM_AGAIN_MS = 2_000;

/** The edge nodes, as the API server has them, with some delay. */
export interface NodeView {
  node(name: string): Node | undefined;
  onNode(handler: (old: Node | undefined, node: Node | undefined) => void): Disposable;
}

export interface SessionClaimsDeps {
  readonly kube: KubeClient;
  readonly view: NodeView;
  readonly clock: Clock;
  readonly logger: Logger;
  /** This instance's address, as nodes know it. */
  readonly address: string;
  /** Another cloudcore has a newer session of the node: nothing of this one may be done any more. */
  readonly onLost: (session: NodeSession) => void;
}

export interface Claim {
  readonly epoch: number;
  readonly turn: number;
  /** Of the Node with our mark; absent: it is not there, or the API server is away. */
  readonly resourceVersion: string | undefined;
}

/** A session that is held here, and what the API server knows of it. */
interface Held {
  readonly session: NodeSession;
  claim: Claim;
  claiming: boolean;
  triedAt: number;
}

/**
 * Which of several cloudcores has a node's newest session: a mark on the Node, written only if the Node is as we know it. A
 * node that returns to the same process needs no write. Who sees another's newer mark ends its own session.
 */
export class SessionClaims implements Disposable {
  readonly #deps: SessionClaimsDeps;
  readonly #holder = randomBytes(4).toString("hex");
  readonly #held = new Map<string, Held>();
  readonly #watching: Disposable;
  #sessions = 0;

  constructor(deps: SessionClaimsDeps) {
    this.#deps = deps;
    this.#watching = deps.view.onNode((_, node) => node !== undefined && this.#nodeChanged(node));
  }

  /** @returns undefined if another cloudcore took the node while we tried: it may come again. */
  async claim(name: string, signal: AbortSignal): Promise<Claim | undefined> {
    this.#sessions += 1;
    const seen = this.#deps.view.node(name);
    const seenMark = readMark(seen);
    if (seenMark?.holder === this.#holder) return this.#claimOf(seenMark.turn, seen);
    try {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(CLAIM_MS_MAX)]);
      return await this.#takeOver(name, seen, limited);
    } catch (error) {
      if (signal.aborted) throw error;
      const unregistered = hasCode(error, "NotFound");
      if (!unregistered)
        this.#deps.logger.warn({ node: name, error: toError(error) }, "cannot write who has a node's session, yet");
      return this.#claimOf((seenMark?.turn ?? 0) + 1, undefined);
    }
  }

  async #takeOver(name: string, seen: Node | undefined, signal: AbortSignal): Promise<Claim | undefined> {
    const { kube, clock } = this.#deps;
    let read: number | undefined;
    for (let tries = 0; tries < CLAIM_TRIES_MAX; tries += 1) {
      const isLive = tries > 0 || seen === undefined;
      const node = isLive ? await kube.get(NODES, { name }, signal) : seen;
      const mark = readMark(node);
      if (isLive && read !== undefined && read !== (mark?.turn ?? 0)) return undefined;
      if (isLive) read = mark?.turn ?? 0;
      const turn = (mark?.turn ?? 0) + 1;
      const written = await this.#write(node, turn, signal);
      if (written === undefined) continue;
      if (mark !== undefined && mark.holder !== this.#holder) await clock.sleep(TAKE_OVER_MS, signal);
      return this.#claimOf(turn, written);
    }
    return undefined;
  }

  #claimOf(turn: number, node: Node | undefined): Claim {
    const epoch = sessionEpoch(turn, this.#sessions);
    return { epoch, turn, resourceVersion: node?.metadata?.resourceVersion };
  }

  /** @returns undefined if the Node is not as we know it. */
  async #write({ metadata }: Node, turn: number, signal: AbortSignal): Promise<Node | undefined> {
    const { kube, address } = this.#deps;
    const { name = "", resourceVersion } = metadata ?? {};
    const annotations = {
      [CLOUDCORE_ANNOTATION]: address,
      [SESSION_ANNOTATION]: formatMark({ turn, holder: this.#holder }),
    };
    const body = { metadata: { resourceVersion, annotations } };
    try {
      return await kube.patch(NODES, { name }, { type: "merge", body }, signal);
    } catch (error) {
      if (hasCode(error, "Conflict")) return undefined;
      throw error;
    }
  }

  /** From now on the session is told when it is not the newest. */
  hold(session: NodeSession, claim: Claim): void {
    const held = { session, claim, claiming: false, triedAt: this.#deps.clock.monotonic() };
    this.#held.set(session.node, held);
    const node = this.#deps.view.node(session.node);
    if (node !== undefined) this.#nodeChanged(node);
  }

  release(session: NodeSession): void {
    if (this.#held.get(session.node)?.session === session) this.#held.delete(session.node);
  }

  /** Makes up for claims that could not be written. To be called now and then. */
  sweep(): void {
    const now = this.#deps.clock.monotonic();
    for (const held of this.#held.values())
      if (held.claim.resourceVersion === undefined && now - held.triedAt >= CLAIM_AGAIN_MS) this.#claimHeld(held);
  }

  /**
   * Asks the API server itself whether the session is the newest, before work is done that has waited for long: while it was
   * away, our view has stood still.
   *
   * @throws if the API server cannot tell now, or the session has just been lost.
   */
  async confirm(session: NodeSession): Promise<void> {
    const { kube } = this.#deps;
    try {
      this.#nodeChanged(await kube.get(NODES, { name: session.node }, session.signal));
    } catch (error) {
      if (mayHeal(error)) throw error; // else it will never tell: the work is not to suffer for that
    }
    session.signal.throwIfAborted();
  }

  #nodeChanged(node: Node): void {
    const held = this.#held.get(node.metadata?.name ?? "");
    if (held === undefined) return;
    const { turn, resourceVersion } = held.claim;
    if (resourceVersion === undefined) return this.#claimHeld(held);
    if (compareResourceVersions(node.metadata?.resourceVersion, resourceVersion) <= 0) return;
    const mark = readMark(node);
    if (mark !== undefined && mark.holder !== this.#holder) return this.#lose(held);
    // Made anew, edited, or a stock cloudcore has written that it was there before us, late.
    const isWhole =
      (mark?.turn ?? 0) >= turn && node.metadata?.annotations?.[CLOUDCORE_ANNOTATION] === this.#deps.address;
    if (!isWhole) this.#claimHeld(held);
  }

  #lose({ session }: Held): void {
    this.release(session);
    this.#deps.onLost(session);
  }

  /** Writes the mark of a session that is open already. */
  #claimHeld(held: Held): void {
    if (held.claiming) return;
    held.claiming = true;
    held.triedAt = this.#deps.clock.monotonic();
    void this.#writeHeld(held).finally(() => (held.claiming = false));
  }

  async #writeHeld(held: Held): Promise<void> {
    const { kube, logger } = this.#deps;
    const { node: name, signal } = held.session;
    const isHeld = () => this.#held.get(name) === held;
    try {
      for (let tries = 0; tries < CLAIM_TRIES_MAX && isHeld(); tries += 1) {
        const node = await kube.get(NODES, { name }, signal);
        const mark = readMark(node);
        const isOther = mark !== undefined && mark.holder !== this.#holder;
        // Nobody can tell who came first: the node decides, when it connects again.
        if (isOther && (mark.turn >= held.claim.turn || held.claim.resourceVersion !== undefined))
          return isHeld() ? this.#lose(held) : undefined;
        const turn = Math.max(held.claim.turn, mark?.turn ?? 0);
        const written = await this.#write(node, turn, signal);
        if (written === undefined) continue;
        held.claim = { ...held.claim, turn, resourceVersion: written.metadata?.resourceVersion };
        return;
      }
    } catch (error) {
      if (signal.aborted || isAway(error) || hasCode(error, "NotFound")) return;
      logger.warn({ node: name, error: toError(error) }, "cannot write who has a node's session");
    }
  }

  [Symbol.dispose](): void {
    this.#watching[Symbol.dispose]();
    this.#held.clear();
  }
}
