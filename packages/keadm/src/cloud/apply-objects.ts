import { apiVersionOf, type KubeObject, type ResourceType } from "@kedge/kube";
import { discoverResources, type KubeClient } from "@kedge/kube-client";
import { systemClock, toError } from "@kedge/runtime";
import { KeadmError } from "../keadm-error.ts";

const FIELD_MANAGER = "keadm";
const ESTABLISHED_MS = 15_000;
const POLL_MS = 100;
const CRD = "CustomResourceDefinition";

/** Creates or changes these objects, in this order. @throws KeadmError `CloudFailed` naming the one that the cluster refuses */
export async function applyObjects(
  kube: KubeClient,
  objects: readonly KubeObject[],
  signal: AbortSignal,
): Promise<void> {
  const types = new KnownTypes(kube);
  for (const object of objects) {
    const name = nameOf(object);
    try {
      const type = await types.of(object, signal);
      const { namespace, name: own = "" } = object.metadata ?? {};
      const key = { ...(type.namespaced && { namespace: namespace ?? "default" }), name: own };
      const options = { fieldManager: FIELD_MANAGER, force: true };
      await kube.patch(type, key, { type: "apply", body: object }, signal, options);
      if (object.kind === CRD) await established(kube, type, own, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof KeadmError) throw error;
      throw new KeadmError("CloudFailed", name, `${name} cannot be applied: ${toError(error).message}`, {
        cause: error,
      });
    }
  }
}

export function nameOf({ kind = "", metadata }: KubeObject): string {
  return `${kind} ${metadata?.namespace === undefined ? "" : `${metadata.namespace}/`}${metadata?.name ?? ""}`;
}

/** The API server knows plurals and scopes; asked again when something is not known yet, as after a new CRD. */
class KnownTypes {
  readonly #kube: KubeClient;
  #types: ReadonlyMap<string, ResourceType> | undefined;

  constructor(kube: KubeClient) {
    this.#kube = kube;
  }

  async of({ apiVersion = "", kind = "" }: KubeObject, signal: AbortSignal): Promise<ResourceType> {
    const wanted = `${apiVersion} ${kind}`;
    let found = this.#types?.get(wanted);
    if (found === undefined) {
      const { resources } = await discoverResources(this.#kube, signal);
      this.#types = new Map(resources.map(({ type }) => [`${apiVersionOf(type)} ${type.kind}`, type]));
      found = this.#types.get(wanted);
    }
    if (found !== undefined) return found;
    throw new KeadmError("CloudFailed", wanted, `the cluster does not know ${kind} (${apiVersion})`);
  }
}

async function established(kube: KubeClient, type: ResourceType, name: string, signal: AbortSignal): Promise<void> {
  const deadline = systemClock.monotonic() + ESTABLISHED_MS;
  for (;;) {
    const { status } = (await kube.get(type, { name }, signal)) as {
      status?: { conditions?: readonly { type: string; status: string; message?: string }[] };
    };
    const condition = (wanted: string) => status?.conditions?.find((one) => one.type === wanted);
    if (condition("Established")?.status === "True") return;
    if (systemClock.monotonic() > deadline)
      throw new KeadmError(
        "CloudFailed",
        name,
        `the cluster does not serve ${name}: ${condition("NamesAccepted")?.message ?? "it does not say why"}`,
      );
    await systemClock.sleep(POLL_MS, signal);
  }
}
