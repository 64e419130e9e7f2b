import type { EdgedParts } from "../edged-parts.ts";
import { hugePageSizes, type LinuxResourcesOptions } from "../resources/linux-resources.ts";

const US_PER_MS = 1000;
/** The kernel's; they do not change while it runs. */
const HUGE_PAGE_SIZES = hugePageSizes();

export function resourcesOptions({ config, node, cgroups }: EdgedParts): LinuxResourcesOptions {
  return {
    memoryCapacityBytes: node.memoryCapacityBytes,
    cgroupVersion: cgroups?.version ?? 1,
    cpuCfsQuota: config.cpuCfsQuota,
    cpuCfsPeriodUs: config.cpuCfsQuotaPeriodMs * US_PER_MS,
    hugePageSizes: HUGE_PAGE_SIZES,
  };
}
