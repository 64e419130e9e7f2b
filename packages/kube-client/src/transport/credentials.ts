/** What we show the API server to say who we are. */
export interface Credential {
  readonly bearerToken?: string | undefined;
  /** PEM. */
  readonly clientCertificate?: string | undefined;
  /** PEM. */
  readonly clientKey?: string | undefined;
}

export interface CredentialSource {
  /** Cached by the source while it holds. @throws KubeClientError `CredentialUnavailable` */
  get(signal: AbortSignal): Promise<Credential>;
  /** The server refused it (401): the next {@link get} must not come from the cache. */
  invalidate(): void;
}

/** A credential that never changes. */
export function fixedCredential(credential: Credential): CredentialSource {
  return { get: () => Promise.resolve(credential), invalidate: () => undefined };
}
