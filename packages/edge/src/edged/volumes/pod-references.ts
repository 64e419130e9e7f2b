import type { Container, Pod, Volume } from "@kedge/kube";

/** The ConfigMaps and Secrets, by name, that a pod's files and variables come from; all in the pod's namespace. */
export interface PodReferences {
  readonly configMaps: ReadonlySet<string>;
  readonly secrets: ReadonlySet<string>;
}

/** Every kind of reference counts: volumes, projections, variables of all containers, image pull secrets. */
export function podReferences(pod: Pod): PodReferences {
  const configMaps = new Set<string | undefined>();
  const secrets = new Set<string | undefined>();
  const { volumes = [], containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  for (const { configMap, secret } of volumes.flatMap(sourcesOf)) {
    configMaps.add(configMap);
    secrets.add(secret);
  }
  for (const container of [...initContainers, ...containers, ...ephemeralContainers])
    for (const { configMap, secret } of variablesOf(container)) {
      configMaps.add(configMap);
      secrets.add(secret);
    }
  for (const { name } of pod.spec?.imagePullSecrets ?? []) secrets.add(name);
  return { configMaps: named(configMaps), secrets: named(secrets) };
}

/** Whether files of the pod come from this object, so that they must be written anew when it changes. */
export function mountsObject(pod: Pod, type: "configmap" | "secret", name: string): boolean {
  const sources = (pod.spec?.volumes ?? []).flatMap(sourcesOf);
  return sources.some(({ configMap, secret }) => (type === "configmap" ? configMap : secret) === name);
}

interface Source {
  readonly configMap?: string | undefined;
  readonly secret?: string | undefined;
}

function sourcesOf({ configMap, secret, projected }: Volume): Source[] {
  return [
    { configMap: configMap?.name, secret: secret?.secretName },
    ...(projected?.sources ?? []).map((source) => ({ configMap: source.configMap?.name, secret: source.secret?.name })),
  ];
}

function variablesOf({ env = [], envFrom = [] }: Pick<Container, "env" | "envFrom">): Source[] {
  return [
    ...env.map(({ valueFrom }) => ({
      configMap: valueFrom?.configMapKeyRef?.name,
      secret: valueFrom?.secretKeyRef?.name,
    })),
    ...envFrom.map(({ configMapRef, secretRef }) => ({ configMap: configMapRef?.name, secret: secretRef?.name })),
  ];
}

function named(names: ReadonlySet<string | undefined>): Set<string> {
  return new Set([...names].filter((name) => name !== undefined && name !== "").map(String));
}
