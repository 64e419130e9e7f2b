import type { Container, Pod, ResourceFieldSelector } from "@kedge/kube";
import { divideUp, parseNano } from "../resources/quantity.ts";
import { ContainerConfigError } from "./container-config-error.ts";

/** What a container without a limit may use: all that the node gives. Resource name → quantity. */
export type Allocatable = Readonly<Record<string, string>>;

const RESOURCE = /^(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)$/;
const DEFAULTED: ReadonlySet<string> = new Set(["cpu", "memory", "ephemeral-storage"]);

/**
 * One resource of a container, divided by the divisor and rounded up.
 *
 * @param own the container that asks; the selector may name another one of the pod.
 * @throws ContainerConfigError for an unknown resource or container.
 */
export function containerResourceValue(
  selector: ResourceFieldSelector,
  pod: Pod,
  own: Container | undefined,
  allocatable: Allocatable,
): string {
  const container = selector.containerName ? findContainer(pod, selector.containerName) : own;
  const [, bound, resource = ""] = RESOURCE.exec(selector.resource) ?? [];
  if (container === undefined || bound === undefined)
    throw new ContainerConfigError(`unsupported container resource : ${selector.resource}`);

  const list = bound === "limits" ? container.resources?.limits : container.resources?.requests;
  let amount = parseNano(list?.[resource] ?? "0");
  if (amount === 0n && bound === "limits" && DEFAULTED.has(resource)) amount = parseNano(allocatable[resource] ?? "0");

  // cpu counts in thousandths, everything else in whole units: what is finer is rounded up before dividing.
  const unit = resource === "cpu" ? 1_000_000n : 1_000_000_000n;
  const divisor = divideUp(parseNano(selector.divisor ?? "1"), unit);
  return String(divideUp(divideUp(amount, unit), divisor === 0n ? 1_000_000_000n / unit : divisor));
}

function findContainer(pod: Pod, name: string): Container {
  const all = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const found = all.find((container) => container.name === name);
  if (found === undefined) throw new ContainerConfigError(`container ${name} not found`);
  return found;
}
