export interface PortNumbers {
  readonly api: number;
  readonly cloudHub: number;
  readonly https: number;
  readonly mqtt: number;
  /** Where edgecore tells how it is: `/healthz`, `/status`, `/metrics`. */
  readonly status: number;
  /** The same of cloudcore: `/readyz`, `/metrics`. */
  readonly monitor: number;
  /** Where nodes open their tunnels. */
  readonly tunnel: number;
  /** Where the API server reaches through them. */
  readonly stream: number;
}

export const PORTS_DEFAULT: PortNumbers = {
  api: 6443,
  cloudHub: 10000,
  https: 10002,
  mqtt: 1884,
  status: 10350,
  monitor: 9091,
  tunnel: 10004,
  stream: 10003,
};

/** Nobody needs to find these at a fixed place: they move out of the way of whoever has the usual port. */
export type MovablePort = "status" | "monitor" | "tunnel" | "stream";

/** What the user gave. */
export type AskedPorts = Omit<PortNumbers, MovablePort> & Partial<PortNumbers>;

/** With every port chosen, unless `Ports` says otherwise. */
export interface UpOptions<Ports = PortNumbers> {
  readonly stateDir: string;
  readonly nodeName: string;
  /** A kubeconfig file: use that cluster, not the embedded control plane. */
  readonly kubeconfig?: string;
  readonly sample: boolean;
  readonly ports: Ports;
}
