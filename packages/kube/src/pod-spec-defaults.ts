import type {
  Container,
  ContainerPort,
  EnvVarSource,
  EphemeralContainer,
  HTTPGetAction,
  LifecycleHandler,
  PodSpec,
  PodTemplateSpec,
  Probe,
  ResourceRequirements,
  Volume,
} from "./kube-types.ts";

const TERMINATION_GRACE_PERIOD_SECONDS = 30;
/** 0644, in the decimal that JSON has. */
const VOLUME_FILE_MODE = 0o644;
const TOKEN_EXPIRATION_SECONDS = 3600;

/** What a pod's spec gets, alone or in a template. */
export function defaultPodSpec(spec: PodSpec): void {
  spec.dnsPolicy ||= "ClusterFirst";
  spec.restartPolicy ||= "Always";
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= TERMINATION_GRACE_PERIOD_SECONDS;
  spec.schedulerName ||= "default-scheduler";
  // The older name is still written beside the newer one, for clients that only know it.
  if (spec.serviceAccountName) spec.serviceAccount = spec.serviceAccountName;
  else if (spec.serviceAccount) spec.serviceAccountName = spec.serviceAccount;
  for (const container of spec.containers ?? []) defaultContainer(container);
  for (const container of spec.initContainers ?? []) defaultContainer(container);
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container);
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
}

export function defaultPodTemplate(template: PodTemplateSpec | undefined): void {
  if (template?.spec !== undefined) defaultPodSpec(template.spec);
}

/** What only a pod itself gets, so that templates stay as they were written. */
export function defaultPodOnly(spec: PodSpec): void {
  spec.enableServiceLinks ??= true;
  if (spec.hostNetwork === true)
    for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])])
      defaultHostPorts(container.ports ?? []);
  for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])])
    if (container.resources !== undefined) requestWhatIsLimited(container.resources);
}

function requestWhatIsLimited(resources: ResourceRequirements): void {
  for (const [name, limit] of Object.entries(resources.limits ?? {})) {
    resources.requests ??= {};
    if (!Object.hasOwn(resources.requests, name)) resources.requests[name] = limit;
  }
}

function defaultHostPorts(ports: ContainerPort[]): void {
  for (const port of ports) if (!port.hostPort) port.hostPort = port.containerPort;
}

function defaultContainer(container: Container | EphemeralContainer): void {
  container.imagePullPolicy ||= pullPolicyOf(container.image ?? "");
  container.terminationMessagePath ||= "/dev/termination-log";
  container.terminationMessagePolicy ||= "File";
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe])
    if (probe !== undefined) defaultProbe(probe);
  for (const handler of [container.lifecycle?.postStart, container.lifecycle?.preStop])
    if (handler !== undefined) defaultHandler(handler);
  for (const { valueFrom } of container.env ?? []) if (valueFrom !== undefined) defaultFieldSource(valueFrom);
}

/** An image without a tag, or tagged `latest`, may change under its name. */
function pullPolicyOf(image: string): string {
  if (image.includes("@")) return "IfNotPresent";
  const [, tag = "latest"] = /:([^:/]+)$/.exec(image) ?? [];
  return tag === "latest" ? "Always" : "IfNotPresent";
}

function defaultProbe(probe: Probe): void {
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  if (probe.grpc !== undefined) probe.grpc.service ??= "";
  defaultHandler(probe);
}

function defaultHandler({ httpGet }: { httpGet?: HTTPGetAction } & Pick<LifecycleHandler, "exec">): void {
  if (httpGet === undefined) return;
  httpGet.path ||= "/";
  httpGet.scheme ||= "HTTP";
}

function defaultFieldSource({ fieldRef, resourceFieldRef }: Pick<EnvVarSource, "fieldRef" | "resourceFieldRef">): void {
  if (fieldRef !== undefined) fieldRef.apiVersion ||= "v1";
  if (resourceFieldRef !== undefined) resourceFieldRef.divisor ??= "0";
}

function defaultVolume(volume: Volume): void {
  const sources = Object.keys(volume).filter((key) => key !== "name");
  if (sources.length === 0) volume.emptyDir = {};
  for (const source of [volume.secret, volume.configMap, volume.downwardAPI, volume.projected])
    if (source !== undefined) source.defaultMode ??= VOLUME_FILE_MODE;
  if (volume.hostPath !== undefined) volume.hostPath.type ??= "";
  for (const item of volume.downwardAPI?.items ?? []) defaultFieldSource(item);
  for (const source of volume.projected?.sources ?? []) {
    if (source.serviceAccountToken !== undefined)
      source.serviceAccountToken.expirationSeconds ??= TOKEN_EXPIRATION_SECONDS;
    for (const item of source.downwardAPI?.items ?? []) defaultFieldSource(item);
  }
  const claim = volume.ephemeral?.volumeClaimTemplate?.spec;
  if (claim !== undefined) claim.volumeMode ||= "Filesystem";
}
