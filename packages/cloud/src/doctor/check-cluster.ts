import { dirname, resolve } from "node:path";
import { CLUSTER_OBJECT_SYNCS, DEVICE_MODELS, DEVICE_STATUSES, DEVICES, OBJECT_SYNCS } from "@kedge/api";
import { apiVersionOf, type KubeObject, type ResourceType } from "@kedge/kube";
import { connectKube, inClusterConnection, loadKubeconfig } from "@kedge/kube-client";
import { type Finding, found, madeByUp, toError } from "@kedge/runtime";
import { type CloudFacts, NEEDS_API, NEEDS_CONFIG } from "./cloud-facts.ts";
import { NEEDED_RIGHTS } from "./needed-rights.ts";

/** How many of many are named. */
const NAMED_MAX = 5;
const APPLY_CRDS = "kubectl apply -f manifests/crds/";
const ANSWER_MS = 5_000;

interface AccessReview extends KubeObject {
  readonly spec: { readonly resourceAttributes: Readonly<Record<string, string>> };
  readonly status?: { readonly allowed?: boolean };
}

const ACCESS_REVIEWS: ResourceType<AccessReview> = {
  group: "authorization.k8s.io",
  version: "v1",
  kind: "SelfSubjectAccessReview",
  resource: "selfsubjectaccessreviews",
  namespaced: false,
};

/** Reads the kubeconfig, or what a pod has instead, and asks the API server who it is. */
export async function checkApi(facts: CloudFacts, signal: AbortSignal): Promise<Finding> {
  if (facts.config === undefined) return found.skipped(NEEDS_CONFIG);
  const { kubeConfig, master } = facts.config.kubeAPIConfig;
  const whence = kubeConfig === "" ? "this pod's service account" : kubeConfig;
  const fix =
    "set kubeAPIConfig.kubeConfig to a kubeconfig that works: try it with kubectl --kubeconfig FILE get nodes";
  let server: string;
  try {
    const connection = kubeConfig === "" ? inClusterConnection() : loadKubeconfig(kubeConfig);
    server = master === "" ? connection.server : master;
    facts.kube = connectKube({ ...connection, server }, { userAgent: "kedge-cloudcore-doctor" });
  } catch (error) {
    return found.failed(toError(error).message, fix);
  }
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
    const { status, body } = await facts.kube.raw("GET", "/version", limit);
    if (status !== 200) throw new Error(`/version answers with HTTP status ${status}`);
    return found.ok(`${server} answers, Kubernetes ${versionIn(body)}, as ${whence} says`);
  } catch (error) {
    await facts.kube[Symbol.asyncDispose]();
    delete facts.kube;
    return found.failed(
      `${server}: ${toError(error).message}`,
      // The cluster of up --kubeconfig is not up's to start.
      (kubeConfig.startsWith(dirname(dirname(resolve(facts.configPath))))
        ? madeByUp(facts.configPath)?.up
        : undefined) ?? `check that it runs and can be reached from here; else ${fix}`,
    );
  }
}

function versionIn(body: string): string {
  try {
    return (JSON.parse(body) as { gitVersion?: string }).gitVersion ?? "of unknown version";
  } catch {
    return "of unknown version";
  }
}

/** Asks the API server about each thing that cloudcore does there. */
export async function checkRights({ kube }: CloudFacts, signal: AbortSignal): Promise<Finding> {
  if (kube === undefined) return found.skipped(NEEDS_API);
  const asked = NEEDED_RIGHTS.flatMap(({ verbs, ...right }) => verbs.map((verb) => ({ ...right, verb })));
  const missing: string[] = [];
  await Promise.all(
    asked.map(async ({ group, resource: path, verb, namespace }) => {
      const [resource = "", subresource] = path.split("/");
      const resourceAttributes = {
        group,
        resource,
        verb,
        ...(subresource !== undefined && { subresource }),
        ...(namespace !== undefined && { namespace }),
      };
      const { status } = await kube.create(ACCESS_REVIEWS, { spec: { resourceAttributes } }, signal);
      const where = namespace === undefined ? "" : ` in ${namespace}`;
      if (status?.allowed !== true) missing.push(`${verb} ${path}${group === "" ? "" : `.${group}`}${where}`);
    }),
  );
  if (missing.length === 0) return found.ok(`all ${asked.length} that cloudcore uses`);
  return found.failed(`may not: ${firstOf(missing.toSorted())}`, "kubectl apply -f manifests/cloudcore/10-rbac.yaml");
}

function firstOf(all: readonly string[]): string {
  const more = all.length > NAMED_MAX ? ` and ${all.length - NAMED_MAX} more` : "";
  return `${all.slice(0, NAMED_MAX).join(", ")}${more}`;
}

/** Whether the API server serves each of our kinds in the version that we speak. */
export async function checkCrds({ kube, config }: CloudFacts, signal: AbortSignal): Promise<Finding> {
  if (kube === undefined || config === undefined) return found.skipped(NEEDS_API);
  const types: readonly ResourceType[] = [
    OBJECT_SYNCS,
    CLUSTER_OBJECT_SYNCS,
    ...(config.modules.deviceController.enable ? [DEVICES, DEVICE_MODELS, DEVICE_STATUSES] : []),
  ];
  const problems: string[] = [];
  for (const type of types) {
    const served = await servedVersions(type, kube, signal);
    if (served.includes(type.version)) continue;
    const name = `${type.resource}.${type.group}`;
    problems.push(
      served.length === 0
        ? `${name} is not installed`
        : `${name} is served as ${served.join(", ")}, but ${type.version} is needed`,
    );
  }
  if (problems.length > 0) return found.failed(problems.join("; "), APPLY_CRDS);
  return found.ok(types.map((type) => `${type.resource} (${apiVersionOf(type)})`).join(", "));
}

async function servedVersions(
  { group, resource }: ResourceType,
  kube: NonNullable<CloudFacts["kube"]>,
  signal: AbortSignal,
): Promise<string[]> {
  const answer = await kube.raw("GET", `/apis/${group}`, signal);
  if (answer.status !== 200) return [];
  const { versions = [] } = JSON.parse(answer.body) as { versions?: { version: string }[] };
  const lists = await Promise.all(
    versions.map(async ({ version }) => {
      const { status, body } = await kube.raw("GET", `/apis/${group}/${version}`, signal);
      if (status !== 200) return [];
      const { resources = [] } = JSON.parse(body) as { resources?: { name: string }[] };
      return resources.some(({ name }) => name === resource) ? [version] : [];
    }),
  );
  return lists.flat();
}
