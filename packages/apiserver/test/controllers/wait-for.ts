import { type KubeObject, NAMESPACES, type ResourceType, SERVICE_ACCOUNTS } from "@kedge/kube";
import { Informer, type KubeClient } from "@kedge/kube-client";
import { abortable, deferred } from "@kedge/runtime";

/** Waits until the objects of a namespace (or of the cluster) are as `holds` says. @returns them. */
export async function waitFor<T extends KubeObject>(
  kube: KubeClient,
  type: ResourceType<T>,
  namespace: string | undefined,
  holds: (objects: T[]) => boolean,
  signal: AbortSignal,
): Promise<T[]> {
  await using informer = new Informer(kube, type, { namespace });
  await abortable(informer.synced, signal);
  const reached = deferred<T[]>();
  const look = () => {
    const objects = informer.list();
    if (holds(objects)) reached.resolve(objects);
  };
  using _ = informer.onChange(look);
  look();
  try {
    return await abortable(reached.promise, signal);
  } catch (error) {
    throw new Error(`never so: ${holds.toString()}\n${JSON.stringify(informer.list(), undefined, 1)}`, {
      cause: error,
    });
  }
}

/** A namespace in which pods may be created. */
export async function createNamespace(kube: KubeClient, name: string, signal: AbortSignal): Promise<void> {
  await kube.create(NAMESPACES, { metadata: { name } }, signal);
  await waitFor(kube, SERVICE_ACCOUNTS, name, (objects) => objects.length === 1, signal);
}
