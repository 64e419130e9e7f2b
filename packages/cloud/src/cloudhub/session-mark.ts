import type { Node } from "@kedge/kube";

/** On the Node: which cloudcore has the node's newest session. Beside it, KubeEdge's own annotation with its address. */
export const SESSION_ANNOTATION = "kedge.io/session";
/** Where KubeEdge's other parts find out which cloudcore serves a node. */
export const CLOUDCORE_ANNOTATION = "cloudcore";

/** A node that comes to another cloudcore, or to one that was started anew, takes a new turn there. */
export interface SessionMark {
  /** Grows with each turn. */
  readonly turn: number;
  /** Names the process that has it. */
  readonly holder: string;
}

/** Sessions of one process that can be told apart within one turn. */
const SESSIONS_OF_A_TURN_MAX = 2 ** 24;

/** A session's number: grows with each session of the node, whichever cloudcore holds it. */
export function sessionEpoch(turn: number, sessionsOfProcess: number): number {
  return turn * SESSIONS_OF_A_TURN_MAX + (sessionsOfProcess % SESSIONS_OF_A_TURN_MAX);
}

export function formatMark({ turn, holder }: SessionMark): string {
  return `${turn} ${holder}`;
}

/** @returns undefined if there is none, or it makes no sense: a stock cloudcore writes none, and people write annotations, too. */
export function readMark(node: Node | undefined): SessionMark | undefined {
  const [, turn, holder] = MARK.exec(node?.metadata?.annotations?.[SESSION_ANNOTATION] ?? "") ?? [];
  return turn === undefined || holder === undefined ? undefined : { turn: Number(turn), holder };
}

const MARK = /^(\d{1,8}) ([0-9a-f]{8,32})$/;
