import { dirname, join } from "node:path";
import type { EdgeCoreConfig } from "@kedge/api";

/** Beside the database, which is root's alone: what a process of this host must show to use the kubelet endpoint. */
export function kubeletTokenFile({ database }: EdgeCoreConfig): string {
  return join(dirname(database.dataSource), "kubelet-endpoint.token");
}
