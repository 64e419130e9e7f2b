import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { GrpcServer, loadDeviceServices } from "@kedge/cri";
import type { Container, Pod } from "@kedge/kube";
import { type Logger, toError } from "@kedge/runtime";
import type { CpuManager } from "../cpus/cpu-manager.ts";
import { isSidecar } from "../resources/pod-resources.ts";
import type { DeviceEntry } from "./device-checkpoint.ts";
import type { DeviceManager } from "./device-manager.ts";

const DIRECTORY = "pod-resources";
const SOCKET = "kubelet.sock";

export interface PodResourcesDeps {
  /** Those that shall run. */
  readonly pods: () => readonly Pod[];
  readonly devices: DeviceManager;
  readonly cpus: CpuManager;
  readonly logger: Logger;
}

/**
 * Tells who has which devices and CPUs, as kubelets tell it to monitors: the pod resources API v1 on
 * `<rootDirectory>/pod-resources/kubelet.sock`.
 */
export async function servePodResources(
  rootDirectory: string,
  deps: PodResourcesDeps,
): Promise<AsyncDisposable | undefined> {
  const directory = join(rootDirectory, DIRECTORY);
  try {
    await mkdir(directory, { recursive: true, mode: 0o750 });
    return await GrpcServer.listen(join(directory, SOCKET), async () => {
      const { podResourcesMethods } = await loadDeviceServices();
      return podResourcesMethods({
        list: () => deps.pods().map((pod) => resourcesOf(pod, deps)),
        allocatable: () => ({
          devices: deps.devices.devices().map(({ resource, id, nodes }) => shown(resource, id, nodes)),
          cpuIds: [...deps.cpus.allocatable].map(BigInt),
        }),
        get: (namespace, name) => {
          const pod = deps
            .pods()
            .find(({ metadata }) => metadata?.name === name && (metadata.namespace ?? "") === namespace);
          if (pod === undefined) throw new Error(`pod ${name} in namespace ${namespace} not found`);
          return resourcesOf(pod, deps);
        },
      });
    });
  } catch (error) {
    deps.logger.warn({ directory, error: toError(error) }, "nobody can ask which pod has which devices");
    return undefined;
  }
}

function resourcesOf({ metadata = {}, spec }: Pod, { devices, cpus }: PodResourcesDeps) {
  const { uid = "", name = "", namespace = "" } = metadata;
  const containers = [...(spec?.initContainers ?? []).filter(isSidecar), ...(spec?.containers ?? [])];
  const one = (container: Container) => ({
    name: container.name,
    devices: devices.devicesOf(uid, container.name).flatMap(devicesIn),
    cpuIds: [...cpus.ownOf(uid, container.name)].map(BigInt),
  });
  return { name, namespace, containers: containers.map(one) };
}

/** Each device for itself, as kubelets tell it. */
function devicesIn({ resource, devices }: DeviceEntry) {
  const nodes = new Map<string, number[]>();
  for (const [node, ids] of devices)
    for (const id of ids) nodes.set(id, [...(nodes.get(id) ?? []), ...(node >= 0 ? [node] : [])]);
  return [...nodes].map(([id, near]) => shown(resource, id, near));
}

function shown(resourceName: string, id: string, nodes: readonly number[]) {
  const topology = nodes.length === 0 ? {} : { topology: { nodes: nodes.map((node) => ({ ID: BigInt(node) })) } };
  return { resourceName, deviceIds: [id], ...topology };
}
