import { hasCode } from "@kedge/runtime";
import { CONFIG_MAPS, DEPLOYMENTS, type KubeObject, type Pod, PODS, type ResourceType, SECRETS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { DEVICE_MODELS, DEVICES, DEVICE_STATUSES, type DeviceStatus } from "@kedge/api";
import { waitUntil } from "../wait-until.ts";
import {
  SAMPLE_APP,
  SAMPLE_DEVICE,
  SAMPLE_NAMESPACE,
  SAMPLE_PORT,
  SAMPLE_REPLICAS,
  SAMPLE_TARGET,
  sampleConfigMap,
  sampleDeployment,
  sampleDevice,
  sampleDeviceModel,
  sampleSecret,
} from "./sample-objects.ts";

const AVAILABLE_TIMEOUT_MS = 60_000;
const TWIN_TIMEOUT_MS = 30_000;
const HTTP_TIMEOUT_MS = 30_000;
const HTTP_ANSWER_MS = 2_000;
/** How many pods an error tells of. */
const DESCRIBED_PODS_MAX = 4;

/** Creates what is missing. What is there stays as the user made it. */
async function ensure<T extends KubeObject>(kube: KubeClient, type: ResourceType<T>, object: T, signal: AbortSignal) {
  try {
    await kube.create(type, object, signal);
  } catch (error) {
    if (!hasCode(error, "AlreadyExists")) throw error;
  }
}

export async function deploySampleApp(kube: KubeClient, image: string, nodeName: string, signal: AbortSignal) {
  await ensure(kube, CONFIG_MAPS, sampleConfigMap, signal);
  await ensure(kube, SECRETS, sampleSecret, signal);
  await ensure(kube, DEPLOYMENTS, sampleDeployment(image, nodeName), signal);
}

export async function deploySampleDevice(kube: KubeClient, nodeName: string, signal: AbortSignal): Promise<void> {
  await ensure(kube, DEVICE_MODELS, sampleDeviceModel, signal);
  await ensure(kube, DEVICES, sampleDevice(nodeName), signal);
}

/** @returns the sample's running pods, once the Deployment is Available and each of them answers over HTTP. */
export async function sampleAppServes(
  kube: KubeClient,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<Pod[]> {
  const key = { namespace: SAMPLE_NAMESPACE, name: SAMPLE_APP };
  const selector = { namespace: SAMPLE_NAMESPACE, labelSelector: `app=${SAMPLE_APP}` };
  await waitUntil(
    "the sample app becoming Available",
    async () => {
      const { status } = await kube.get(DEPLOYMENTS, key, signal);
      return (status?.availableReplicas ?? 0) >= SAMPLE_REPLICAS ? status : undefined;
    },
    async () => {
      const pods = await kube.list(PODS, selector, signal);
      return pods.items.slice(0, DESCRIBED_PODS_MAX).map(describePod).join("; ") || "there are no pods";
    },
    AVAILABLE_TIMEOUT_MS,
    signal,
    tell,
  );
  // Asked again each time: right after a restart the API still shows the addresses of before.
  return waitUntil(
    "an answer of the sample app",
    async () => {
      const pods = (await kube.list(PODS, selector, signal)).items.filter(
        (pod) => pod.status?.phase === "Running" && pod.metadata?.deletionTimestamp === undefined,
      );
      const answers = await Promise.all(pods.map(async (pod) => answersHttp(pod, signal)));
      return pods.length >= SAMPLE_REPLICAS && answers.every(Boolean) ? pods : undefined;
    },
    () => `its pods run, but do not answer at http://POD_IP:${SAMPLE_PORT}/ from this host`,
    HTTP_TIMEOUT_MS,
    signal,
    tell,
  );
}

async function answersHttp(pod: Pod, signal: AbortSignal): Promise<boolean> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(HTTP_ANSWER_MS)]);
  const response = await fetch(`http://${pod.status?.podIP ?? ""}:${SAMPLE_PORT}/`, { signal: limit }).catch(
    () => undefined,
  );
  await response?.body?.cancel();
  return response?.ok === true;
}

export interface SampleTwin {
  readonly desired: string;
  /** What the device says that it has. */
  readonly reported: string;
  readonly status: DeviceStatus;
}

/**
 * Waits until the device reports the desired target: the value went down and came back. A user may meanwhile desire what
 * this device cannot take; then it is enough that it reports.
 */
export async function sampleTwinWentRound(
  kube: KubeClient,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<SampleTwin> {
  const key = { namespace: SAMPLE_NAMESPACE, name: SAMPLE_DEVICE };
  const name = `${SAMPLE_NAMESPACE}/${SAMPLE_DEVICE}`;
  const device = await kube.get(DEVICES, key, signal);
  const desired =
    device.spec?.properties?.find((property) => property.name === "target")?.desired?.value ?? SAMPLE_TARGET;
  const read = async () => {
    try {
      return await kube.get(DEVICE_STATUSES, key, signal);
    } catch (error) {
      if (hasCode(error, "NotFound")) return undefined;
      throw error;
    }
  };
  return waitUntil(
    `device ${name} to report its desired target ${desired}`,
    async () => {
      const status = await read();
      return status === undefined ? undefined : judgeTwin(desired, status);
    },
    async () => {
      const reported = reportedTarget(await read());
      return reported === undefined
        ? "it reports nothing yet; see ./kedge logs sensor and ./kedge logs edge"
        : `it reports ${reported}; see ./kedge logs sensor`;
    },
    TWIN_TIMEOUT_MS,
    signal,
    tell,
  );
}

/** @returns `undefined` while the device has still to follow. */
export function judgeTwin(desired: string, status: DeviceStatus): SampleTwin | undefined {
  const reported = reportedTarget(status);
  if (reported === undefined) return undefined;
  // The sample's device takes numbers alone, and keeps what it has for all else.
  const follows = !Number.isFinite(Number(desired)) || Number(reported) === Number(desired);
  return follows ? { desired, reported, status } : undefined;
}

function reportedTarget(status: DeviceStatus | undefined): string | undefined {
  return status?.status?.twins?.find(({ propertyName }) => propertyName === "target")?.reported?.value;
}

/** One clause on a pod: what it waits for, if it does. */
export function describePod(pod: Pod): string {
  const waiting = pod.status?.containerStatuses?.find(({ state }) => state?.waiting !== undefined)?.state?.waiting;
  const condition = pod.status?.conditions?.find(({ status, message }) => status === "False" && message !== undefined);
  const why = waiting === undefined ? condition?.message : `${waiting.reason ?? ""} ${waiting.message ?? ""}`.trim();
  return `pod ${pod.metadata?.name ?? ""} is ${pod.status?.phase ?? "unknown"}${why === undefined ? "" : ` (${why})`}`;
}
