import type { KubeObject } from "@kedge/kube";

export interface Device extends KubeObject {
  spec?: unknown;
}
export interface DeviceModel extends KubeObject {
  spec?: unknown;
}
export interface DeviceStatus extends KubeObject {
  status?: unknown;
}
