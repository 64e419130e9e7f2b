import type { ContainerStatus, Pod } from "@kedge/kube";
import { isSidecar } from "../pods/plan-init-containers.ts";

const LOST = {
  exitCode: 137,
  reason: "ContainerStatusUnknown",
  message: "The container could not be located when the pod was terminated",
};

/**
 * Says of each container of a pod that is over that it has ended: who has not said how never will, and nobody shall take
 * such a pod for one that went well. Containers that cannot have begun still wait: those after an init container that did
 * not pass.
 */
export function endContainers(
  pod: Pod,
  init: readonly ContainerStatus[],
  regular: readonly ContainerStatus[],
  ephemeral: readonly ContainerStatus[],
): void {
  const begun = Math.max(init.findLastIndex(hasBegun), 0);
  for (const status of init.slice(0, begun + 1)) endOf(status);
  if (regular.some(hasBegun) || wasInitialized(pod)) for (const status of regular) endOf(status);
  for (const status of ephemeral) if (hasBegun(status)) endOf(status);
  for (const status of [...init, ...regular]) {
    status.started = false;
    if (status.state?.terminated?.exitCode !== 0 || regular.includes(status)) status.ready = false;
  }
}

function hasBegun({ state, lastState }: ContainerStatus): boolean {
  return state?.waiting === undefined || lastState?.terminated !== undefined;
}

/** As was told last: an init container that ends well because it is told to end has not done its part. */
function wasInitialized({ spec, status: told = {} }: Pod): boolean {
  const last = spec?.initContainers?.at(-1);
  if (last === undefined || (told.containerStatuses ?? []).some(hasBegun)) return true;
  const status = told.initContainerStatuses?.at(-1);
  if (isSidecar(last)) return status?.started === true;
  return (status?.state?.terminated ?? status?.lastState?.terminated)?.exitCode === 0;
}

function endOf(status: ContainerStatus): void {
  if (status.state?.terminated !== undefined) return;
  const before = status.lastState?.terminated;
  if (status.state?.waiting === undefined || before === undefined) {
    status.state = { terminated: LOST };
    return;
  }
  status.state = { terminated: before };
  status.lastState = {};
}
