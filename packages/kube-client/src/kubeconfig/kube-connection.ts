import type { CredentialSource } from "../transport/credentials.ts";

/** Where an API server is and who we are to it: what a kubeconfig's context comes down to. */
export interface KubeConnection {
  /** `https://host:port` */
  readonly server: string;
  /** PEM; absent: the system's authorities. */
  readonly serverCa?: string | undefined;
  /** The name in the server's certificate, where it is not the one in `server`. */
  readonly serverName?: string | undefined;
  readonly credentials: CredentialSource;
  /** The context's default namespace. */
  readonly namespace?: string | undefined;
}
