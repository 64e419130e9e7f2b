export interface KubeRequest {
  readonly method: string;
  /** Path and query, beginning with `/`. */
  readonly path: string;
  /** Names in lower case. Who asks is not in here: the transport knows it. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  /** The answer goes on for as long as the server likes: no time limit between its parts. */
  readonly streaming?: boolean | undefined;
  readonly signal: AbortSignal;
}

export interface KubeResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Must be read to its end or left (`return()`), so that what carries it is freed. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Carries one HTTP exchange to the API server: over TLS, or within the process where the server lives in it. */
export interface KubeTransport extends AsyncDisposable {
  /** For logs and errors: whom we talk to. */
  readonly server: string;
  /**
   * Resolves when the answer's head is there, whatever its status.
   * @throws KubeClientError when there is no answer; the signal's reason when that aborts, also while reading the body.
   */
  request(request: KubeRequest): Promise<KubeResponse>;
}
