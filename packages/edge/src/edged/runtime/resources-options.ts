import type { EdgedParts } from "../edged-parts.ts";
import { hugePageSizes, type LinuxResourcesOptions } from "../resources/linux-resources.ts";
import { quantityValue } from "../resources/quantity.ts";
import { hasSwapController, swapCapacityBytes } from "../resources/swap.ts";

const US_PER_MS = 1000;
/** The kernel's; they do not change while it runs. */
const HUGE_PAGE_SIZES = hugePageSizes();
const swapControllers = new Map<1 | 2, boolean>();

export function resourcesOptions({ config, node, cgroups }: EdgedParts): LinuxResourcesOptions {
  const cgroupVersion = cgroups?.version ?? 1;
  return {
    memoryCapacityBytes: node.memoryCapacityBytes,
    cgroupVersion,
    cpuCfsQuota: config.cpuCfsQuota,
    cpuCfsPeriodUs: config.cpuCfsQuotaPeriodMs * US_PER_MS,
    hugePageSizes: HUGE_PAGE_SIZES,
    singleProcessOomKill: config.singleProcessOomKill,
    swapController: swapController(cgroupVersion),
    swapBehavior: config.swapBehavior,
    swapCapacityBytes: config.swapBehavior === "LimitedSwap" ? swapCapacityBytes() : 0,
    memoryQos:
      config.memoryThrottlingFactor === undefined
        ? undefined
        : {
            throttlingFactor: config.memoryThrottlingFactor,
            allocatableBytes: quantityValue(node.allocatable()["memory"]),
          },
  };
}

function swapController(version: 1 | 2): boolean {
  const known = swapControllers.get(version) ?? hasSwapController(version);
  swapControllers.set(version, known);
  return known;
}
