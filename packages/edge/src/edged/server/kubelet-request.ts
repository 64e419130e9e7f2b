import type { Duplex } from "node:stream";

/** A request to the node's kubelet endpoint: from a process of this host, or through the tunnel. */
export interface KubeletRequest {
  readonly method: string;
  /** Decoded, without query: `/containerLogs/default/web/app`. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of logs: go on at a place that {@link KubeletAnswer}.place told earlier, and so many bytes after it. */
  readonly resume?: { readonly mark: string; readonly bytes: number } | undefined;
  /** The client has left. */
  readonly signal: AbortSignal;
}

/** Lower-case names; more than one value where a header comes more than once. */
export type KubeletHeaders = Readonly<Record<string, string | readonly string[]>>;

export interface KubeletAnswer {
  readonly status: number;
  readonly headers: KubeletHeaders;
  /** A text, or bytes as they come; ends with an error if they break off. */
  readonly body: string | AsyncIterable<Uint8Array>;
  /** Of logs: where one can go on after the bytes that `body` has given so far. */
  readonly place?: () => string;
  /** Of an upgraded connection (status 101), instead of a body: what follows the answer, both ways. */
  readonly stream?: Duplex;
}

export function answer(status: number, body: string, type = "text/plain; charset=utf-8"): KubeletAnswer {
  return { status, headers: { "content-type": type }, body };
}

export function jsonAnswer(document: unknown): KubeletAnswer {
  return answer(200, JSON.stringify(document), "application/json");
}

export function metricsAnswer(text: string): KubeletAnswer {
  return answer(200, text, "text/plain; version=0.0.4; charset=utf-8");
}
