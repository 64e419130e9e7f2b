import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { CloudProgram } from "../e2e/test-cloud.ts";
import type { EdgeProgram } from "../e2e/test-edge-node.ts";

const VERSION = "v1.23.1";
const folder = process.env["KEDGE_KUBEEDGE_ASSETS"] ?? join(homedir(), ".cache/kedge/kubeedge", `bin-${VERSION}`);

/** Why tests with stock KubeEdge cannot run here, or false: fits `skip` of `node:test`. */
export function missingStockPrograms(): string | false {
  const absent = ["edgecore", "cloudcore"].map((name) => join(folder, name)).filter((path) => !existsSync(path));
  return absent.length === 0
    ? false
    : `no stock KubeEdge: ${absent.join(", ")} missing; ./kedge node scripts/prepare-kubeedge.ts builds it with Go`;
}

/** Stock edgecore refuses to start beside a kubelet, and asks the whole machine whether one runs. */
export const STOCK_EDGE: EdgeProgram = (configFile) => [
  "/usr/bin/env",
  "CHECK_EDGECORE_ENVIRONMENT=false",
  join(folder, "edgecore"),
  "--config",
  configFile,
];

export const STOCK_CLOUD: CloudProgram = (configFile) => [join(folder, "cloudcore"), "--config", configFile];

/** What `keadm` installs in a cluster for it: more kinds than ours, so far. */
export const STOCK_CRDS = join(folder, "crds");
