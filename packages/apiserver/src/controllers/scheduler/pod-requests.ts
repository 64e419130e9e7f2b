import { type Container, parseQuantity, type Pod } from "@kedge/kube";

/** Amounts × 10⁹ by resource name: exact, and quick to add. */
export type Amounts = Readonly<Record<string, bigint>>;

type Resources = { readonly requests?: Readonly<Record<string, string>> } | undefined;

/**
 * What a pod takes of its node: its containers and sidecars together, or more where a step of its initialization takes
 * more, and its overhead. Kubernetes' rule, as `kubectl describe node` adds it up.
 */
export function podRequests(pod: Pod): Amounts {
  const known = remembered.get(pod);
  if (known !== undefined) return known;
  const requests = addUp(pod);
  remembered.set(pod, requests);
  return requests;
}

/** Each pod on a node is added up again for each decision; an object of a cache never changes. */
const remembered = new WeakMap<Pod, Amounts>();

function addUp(pod: Pod): Amounts {
  const spec = pod.spec as (NonNullable<Pod["spec"]> & { resources?: Resources }) | undefined;
  const { initContainers = [], overhead, resources } = spec ?? {};
  let total = (spec?.containers ?? []).map(requestsOf).reduce(sum, {});
  let sidecars: Amounts = {};
  let initial: Amounts = {};
  for (const container of initContainers) {
    if (isSidecar(container)) {
      total = sum(total, requestsOf(container));
      sidecars = sum(sidecars, requestsOf(container));
      initial = max(initial, sidecars);
    } else initial = max(initial, sum(sidecars, requestsOf(container)));
  }
  total = max(total, initial);
  // Requests of the pod as a whole take the place of its containers'.
  if (resources?.requests !== undefined) total = { ...total, ...amountsOf(resources.requests) };
  return overhead === undefined ? total : sum(total, amountsOf(overhead));
}

/** Runs beside the containers although it is listed among those that run before. */
function isSidecar(container: Container): boolean {
  return (container as { restartPolicy?: string }).restartPolicy === "Always";
}

function requestsOf(container: Container): Amounts {
  return amountsOf(container.resources?.requests ?? {});
}

export function amountsOf(quantities: Readonly<Record<string, string>>): Amounts {
  const amounts: Record<string, bigint> = {};
  for (const [name, quantity] of Object.entries(quantities)) amounts[name] = parseQuantity(quantity).nanos;
  return amounts;
}

export function sum(a: Amounts, b: Amounts): Amounts {
  const total: Record<string, bigint> = { ...a };
  for (const [name, amount] of Object.entries(b)) total[name] = (total[name] ?? 0n) + amount;
  return total;
}

function max(a: Amounts, b: Amounts): Amounts {
  const most: Record<string, bigint> = { ...a };
  for (const [name, amount] of Object.entries(b)) {
    const before = most[name];
    if (before === undefined || before < amount) most[name] = amount;
  }
  return most;
}
