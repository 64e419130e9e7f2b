import type { Pod } from "@kedge/kube";

/** Whether the pod takes anything from this ConfigMap or Secret of its namespace. */
export function usesObject({ spec }: Pod, type: "configmap" | "secret", name: string): boolean {
  if (type === "secret" && spec?.imagePullSecrets?.some((secret) => secret.name === name) === true) return true;
  const volumes = (spec?.volumes ?? []).flatMap((volume) => [volume, ...(volume.projected?.sources ?? [])]);
  if (
    type === "configmap"
      ? volumes.some(({ configMap }) => configMap?.name === name)
      : volumes.some(({ secret }) => secretName(secret) === name)
  )
    return true;
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].some(({ env = [], envFrom = [] }) => {
    const references =
      type === "configmap"
        ? [
            ...envFrom.map(({ configMapRef }) => configMapRef),
            ...env.map(({ valueFrom }) => valueFrom?.configMapKeyRef),
          ]
        : [...envFrom.map(({ secretRef }) => secretRef), ...env.map(({ valueFrom }) => valueFrom?.secretKeyRef)];
    return references.some((reference) => reference?.name === name);
  });
}

/** A volume names its secret otherwise than a projection does. */
function secretName(secret: object | undefined): unknown {
  if (secret === undefined) return undefined;
  return "secretName" in secret ? secret.secretName : "name" in secret ? secret.name : undefined;
}
