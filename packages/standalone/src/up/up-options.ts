export interface PortNumbers {
  readonly api: number;
  readonly cloudHub: number;
  readonly https: number;
  readonly mqtt: number;
  /** Where edgecore tells how it is: `/healthz`, `/status`, `/metrics`. */
  readonly status: number;
  /** The same of cloudcore: `/readyz`, `/metrics`. */
  readonly monitor: number;
}

export const PORTS_DEFAULT: PortNumbers = {
  api: 6443,
  cloudHub: 10000,
  https: 10002,
  mqtt: 1884,
  status: 10350,
  monitor: 9091,
};

/** What the user gave: without a choice, `status` and `monitor` move out of the way of whoever has the usual port. */
export type AskedPorts = Omit<PortNumbers, "status" | "monitor"> & Partial<PortNumbers>;

/** With every port chosen, unless `Ports` says otherwise. */
export interface UpOptions<Ports = PortNumbers> {
  readonly stateDir: string;
  readonly nodeName: string;
  /** A kubeconfig file: use that cluster, not the embedded control plane. */
  readonly kubeconfig?: string;
  readonly sample: boolean;
  readonly ports: Ports;
}
