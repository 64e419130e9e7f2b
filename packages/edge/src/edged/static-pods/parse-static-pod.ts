import {
  defaultPodOnly,
  defaultPodSpec,
  dnsLabelProblem,
  dnsSubdomainProblem,
  isJsonObject,
  type Pod,
  type PodSpec,
  type Volume,
} from "@kedge/kube";
import { toError } from "@kedge/runtime";
import { parse } from "yaml";
import { parseNano } from "../resources/quantity.ts";
import { StaticPodError } from "./static-pod-error.ts";

/** A file with more is no pod's. */
export const STATIC_POD_BYTES_MAX = 1024 * 1024;
/** YAML can name one piece many times over; a pod's file need not. */
const YAML_ALIASES_MAX = 100;
const RESTART_POLICIES: readonly unknown[] = [undefined, "Always", "OnFailure", "Never"];

/**
 * The pod in a file, YAML or JSON, with what an API server would have filled in. Its name is as written; it has no uid
 * unless the file gives one.
 *
 * @throws StaticPodError what is wrong with it, and where.
 */
export function parseStaticPod(text: string): Pod {
  if (Buffer.byteLength(text) > STATIC_POD_BYTES_MAX)
    throw new StaticPodError(`larger than ${STATIC_POD_BYTES_MAX} bytes`, { code: "TooLarge" });
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: YAML_ALIASES_MAX, schema: "core" });
  } catch (error) {
    throw new StaticPodError(`neither YAML nor JSON: ${firstLine(toError(error).message)}`, { code: "NoPod" });
  }
  const pod = toPod(value);
  refuseReferences(pod.spec ?? { containers: [] });
  if (pod.spec !== undefined) {
    defaultPodSpec(pod.spec);
    defaultPodOnly(pod.spec);
  }
  return pod;
}

function toPod(value: unknown): Pod {
  if (!isJsonObject(value)) throw noPod("no object");
  const { apiVersion, kind, metadata, spec } = value;
  if (apiVersion !== "v1" || kind !== "Pod") throw noPod(`${text(apiVersion)} ${text(kind)}, not v1 Pod`);
  if (!isJsonObject(metadata)) throw noPod("metadata is missing");
  const { name, namespace = "default", uid } = metadata;
  if (typeof name !== "string" || name === "") throw noPod("metadata.name is missing");
  check("metadata.name", dnsSubdomainProblem(name));
  if (typeof namespace !== "string") throw noPod("metadata.namespace is no text");
  check("metadata.namespace", dnsLabelProblem(namespace));
  // It becomes the name of directories and cgroups.
  if (uid !== undefined) check("metadata.uid", typeof uid === "string" ? dnsLabelProblem(uid) : "must be text");
  for (const member of ["labels", "annotations"] as const)
    if (metadata[member] !== undefined && !isTextMap(metadata[member]))
      throw noPod(`metadata.${member} must map text to text`);
  if (!isJsonObject(spec)) throw noPod("spec is missing");
  checkContainers(spec);
  if (!RESTART_POLICIES.includes(spec["restartPolicy"]))
    throw noPod(`spec.restartPolicy ${text(spec["restartPolicy"])} is not one of Always, OnFailure, Never`);
  const { deletionTimestamp: _end, ownerReferences: _owners, finalizers: _finalizers, ...own } = metadata;
  return { apiVersion: "v1", kind: "Pod", metadata: { ...own, name, namespace }, spec: spec as unknown as PodSpec };
}

function checkContainers(spec: Readonly<Record<string, unknown>>): void {
  const names = new Set<string>();
  for (const list of ["initContainers", "containers"]) {
    const containers = spec[list] ?? [];
    if (!Array.isArray(containers)) throw noPod(`spec.${list} is no list`);
    if (list === "containers" && containers.length === 0) throw noPod("spec.containers is empty");
    for (const [index, container] of (containers as unknown[]).entries()) {
      const path = `spec.${list}[${index}]`;
      if (!isJsonObject(container) || typeof container["name"] !== "string") throw noPod(`${path}.name is missing`);
      check(`${path}.name`, dnsLabelProblem(container["name"]));
      if (names.has(container["name"])) throw noPod(`${path}.name ${text(container["name"])} is there twice`);
      names.add(container["name"]);
      if (typeof container["image"] !== "string" || container["image"] === "") throw noPod(`${path}.image is missing`);
      checkTexts(container, path);
    }
  }
  if (spec["ephemeralContainers"] !== undefined) throw noPod("spec.ephemeralContainers cannot be in a file");
}

/** YAML makes numbers and truths of what is not quoted; where text is needed we do not guess. */
function checkTexts(container: Readonly<Record<string, unknown>>, path: string): void {
  for (const member of ["command", "args"]) {
    const list = container[member] ?? [];
    if (!Array.isArray(list) || !list.every((one) => typeof one === "string"))
      throw noPod(`${path}.${member} must be a list of texts`);
  }
  const env = container["env"] ?? [];
  if (!Array.isArray(env) || !env.every(isVariable))
    throw noPod(`${path}.env must be a list of names with values that are text (in quotes)`);
  const { resources } = container;
  if (!isJsonObject(resources)) return;
  for (const list of [resources["limits"], resources["requests"]])
    if (isJsonObject(list))
      for (const [name, quantity] of Object.entries(list)) {
        if (typeof quantity === "number") list[name] = String(quantity); // as the API takes them, too
        const problem = typeof list[name] === "string" ? quantityProblem(list[name]) : "must be text";
        if (problem !== undefined) throw noPod(`${path}.resources: ${name} ${text(quantity)}: ${problem}`);
      }
}

function isVariable(value: unknown): boolean {
  if (!isJsonObject(value) || typeof value["name"] !== "string" || value["name"] === "") return false;
  return value["value"] === undefined || typeof value["value"] === "string";
}

function quantityProblem(quantity: string): string | undefined {
  try {
    parseNano(quantity);
    return undefined;
  } catch (error) {
    return toError(error).message;
  }
}

/** A static pod must run without the API: so it may not need anything from there. */
function refuseReferences(spec: PodSpec): void {
  const found = [
    (spec.serviceAccountName || spec.serviceAccount) && "serviceAccountName",
    (spec.imagePullSecrets ?? []).length > 0 && "imagePullSecrets",
    ("resourceClaims" in spec || undefined) && "resourceClaims",
    ...(spec.volumes ?? []).map(volumeReference),
    ...[...(spec.initContainers ?? []), ...spec.containers].flatMap(({ env = [], envFrom = [] }) => [
      ...envFrom.map(({ configMapRef, secretRef }) => (configMapRef ?? secretRef) && "envFrom"),
      ...env.map(({ valueFrom }) => (valueFrom?.configMapKeyRef ?? valueFrom?.secretKeyRef) && "env[].valueFrom"),
    ]),
  ].find((one) => typeof one === "string" && one !== "");
  if (typeof found === "string")
    throw new StaticPodError(
      `static pods may not reference objects of the API, as ${found} does: put it into a Pod in the API instead`,
      { code: "ReferencesApi" },
    );
}

function volumeReference(volume: Volume): string | undefined {
  const { configMap, secret, persistentVolumeClaim, ephemeral, projected } = volume;
  if (configMap !== undefined) return "a configMap volume";
  if (secret !== undefined) return "a secret volume";
  if (persistentVolumeClaim !== undefined || ephemeral !== undefined) return "a volume claim";
  const source = (projected?.sources ?? []).find((one) => one.downwardAPI === undefined);
  return source === undefined ? undefined : "a projected volume";
}

function isTextMap(value: unknown): boolean {
  return isJsonObject(value) && Object.values(value).every((one) => typeof one === "string");
}

function check(where: string, problem: string | undefined): void {
  if (problem !== undefined) throw noPod(`${where}: ${problem}`);
}

function noPod(why: string): StaticPodError {
  return new StaticPodError(`no valid pod: ${why}`, { code: "NoPod" });
}

function text(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}

function firstLine(message: string): string {
  return message.split("\n", 1)[0] ?? "";
}
