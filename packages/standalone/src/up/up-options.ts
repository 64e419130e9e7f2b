export interface PortNumbers {
  readonly api: number;
  readonly cloudHub: number;
  readonly https: number;
  readonly mqtt: number;
}

export const PORTS_DEFAULT: PortNumbers = { api: 6443, cloudHub: 10000, https: 10002, mqtt: 1884 };

export interface UpOptions {
  readonly stateDir: string;
  readonly nodeName: string;
  /** A kubeconfig file: use that cluster, not the embedded control plane. */
  readonly kubeconfig?: string;
  readonly sample: boolean;
  readonly ports: PortNumbers;
}
