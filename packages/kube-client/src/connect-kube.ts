import type { KubeClient } from "./kube-client.ts";
import type { KubeConnection } from "./kubeconfig/kube-connection.ts";
import { type KubeClientOptions, TransportKubeClient } from "./transport-kube-client.ts";
import { UndiciTransport } from "./transport/undici-transport.ts";

/** A client for the API server behind `connection`. Connects with the first request; dispose it to close. */
export function connectKube(connection: KubeConnection, options: KubeClientOptions = {}): KubeClient {
  return new TransportKubeClient(new UndiciTransport(connection), options);
}
