import { isIP } from "node:net";
import {
  dnsLabelProblem,
  dnsSubdomainProblem,
  duplicateError,
  type FieldError,
  forbiddenError,
  invalidError,
  labelKeyProblem,
  labelValueProblem,
  notSupportedError,
  type PodSpec,
  requiredError,
  type Toleration,
} from "@kedge/kube";
import { labelErrors } from "../metadata-validation.ts";
import { type ContainerContext, containerErrors } from "./container-validation.ts";
import { volumeErrors } from "./volume-validation.ts";

const RESTART_POLICIES = ["Always", "OnFailure", "Never"];
const DNS_POLICIES = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
const BAD_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const TAINT_EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/**
 * What is wrong with a pod's spec, alone or in a template.
 *
 * @param template set for a template's spec; `moreVolumes` are names that its mounts may refer to besides its volumes.
 */
export function podSpecErrors(
  spec: PodSpec | undefined,
  path: string,
  template?: { readonly moreVolumes: readonly string[] },
): FieldError[] {
  if (spec === undefined) return [requiredError(path)];
  const volumes = volumeErrors(spec.volumes ?? [], `${path}.volumes`);
  const volumeNames = new Set([...(template?.moreVolumes ?? []), ...(spec.volumes ?? []).map(({ name }) => name)]);
  return [
    ...volumes,
    ...containersErrors(spec, path, { volumes: volumeNames, template: template !== undefined }),
    ...policyErrors(spec, path),
    ...placementErrors(spec, path),
    ...nameErrors(spec, path),
  ];
}

function containersErrors(
  spec: PodSpec,
  path: string,
  context: Pick<ContainerContext, "volumes" | "template">,
): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  const hostNetwork = spec.hostNetwork === true;
  if ((spec.containers ?? []).length === 0) errors.push(requiredError(`${path}.containers`));
  for (const list of ["containers", "initContainers"] as const)
    for (const [index, container] of (spec[list] ?? []).entries()) {
      const field = `${path}.${list}[${index}]`;
      errors.push(...containerErrors(container, field, { ...context, hostNetwork, init: list === "initContainers" }));
      if (names.has(container.name)) errors.push(duplicateError(`${field}.name`, container.name));
      names.add(container.name);
    }
  return errors;
}

/** A pod (not yet a template) without a service account has nobody whose token it could be given. */
export function tokenErrors(spec: PodSpec | undefined, path: string): FieldError[] {
  if (spec?.serviceAccountName) return [];
  return (spec?.volumes ?? []).flatMap(({ projected }, index) =>
    (projected?.sources ?? []).flatMap(({ serviceAccountToken }, position) => {
      const field = `${path}.volumes[${index}].projected.sources[${position}].serviceAccountToken`;
      if (serviceAccountToken === undefined) return [];
      return [forbiddenError(field, "must not be specified when serviceAccountName is not set")];
    }),
  );
}

function policyErrors(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { restartPolicy, dnsPolicy, dnsConfig, activeDeadlineSeconds } = spec;
  if (restartPolicy !== undefined && !RESTART_POLICIES.includes(restartPolicy))
    errors.push(notSupportedError(`${path}.restartPolicy`, restartPolicy, RESTART_POLICIES));
  if (dnsPolicy !== undefined && !DNS_POLICIES.includes(dnsPolicy))
    errors.push(notSupportedError(`${path}.dnsPolicy`, dnsPolicy, DNS_POLICIES));
  if (dnsPolicy === "None" && dnsConfig === undefined)
    errors.push(requiredError(`${path}.dnsConfig`, "must provide `dnsConfig` when `dnsPolicy` is None"));
  else if (dnsPolicy === "None" && (dnsConfig?.nameservers ?? []).length === 0)
    errors.push(
      requiredError(
        `${path}.dnsConfig.nameservers`,
        "must provide at least one DNS nameserver when `dnsPolicy` is None",
      ),
    );
  for (const [index, nameserver] of (dnsConfig?.nameservers ?? []).entries())
    if (isIP(nameserver) === 0)
      errors.push(invalidError(`${path}.dnsConfig.nameservers[${index}]`, nameserver, BAD_IP));
  if (activeDeadlineSeconds !== undefined && activeDeadlineSeconds < 1)
    errors.push(
      invalidError(
        `${path}.activeDeadlineSeconds`,
        activeDeadlineSeconds,
        "must be between 1 and 2147483647, inclusive",
      ),
    );
  return errors;
}

function placementErrors(spec: PodSpec, path: string): FieldError[] {
  const errors = labelErrors(spec.nodeSelector, `${path}.nodeSelector`);
  for (const [index, toleration] of (spec.tolerations ?? []).entries())
    errors.push(...tolerationErrors(toleration, `${path}.tolerations[${index}]`));
  return errors;
}

function tolerationErrors(
  { key, operator, value, effect, tolerationSeconds }: Toleration,
  field: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const keyProblem = key === undefined || key === "" ? undefined : labelKeyProblem(key);
  if (keyProblem !== undefined) errors.push(invalidError(`${field}.key`, key, keyProblem));
  if ((key === undefined || key === "") && operator !== "Exists")
    errors.push(
      invalidError(
        `${field}.operator`,
        operator ?? "",
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      ),
    );
  if (tolerationSeconds !== undefined && effect !== "NoExecute")
    errors.push(
      invalidError(`${field}.effect`, effect ?? "", "effect must be 'NoExecute' when `tolerationSeconds` is set"),
    );
  switch (operator ?? "") {
    case "":
    case "Equal": {
      const problem = labelValueProblem(value ?? "");
      if (problem !== undefined) errors.push(invalidError(`${field}.operator`, value, problem));
      break;
    }
    case "Exists":
      if (value !== undefined && value !== "")
        errors.push(invalidError(`${field}.operator`, value, "value must be empty when `operator` is 'Exists'"));
      break;
    default:
      errors.push(notSupportedError(`${field}.operator`, operator, ["Equal", "Exists"]));
  }
  if (effect !== undefined && effect !== "" && !TAINT_EFFECTS.includes(effect))
    errors.push(notSupportedError(`${field}.effect`, effect, TAINT_EFFECTS));
  return errors;
}

function nameErrors(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const check = (value: string | undefined, field: string, problemOf: (value: string) => string | undefined) => {
    const problem = value === undefined || value === "" ? undefined : problemOf(value);
    if (problem !== undefined) errors.push(invalidError(`${path}.${field}`, value, problem));
  };
  check(spec.nodeName, "nodeName", dnsSubdomainProblem);
  check(spec.serviceAccountName, "serviceAccountName", dnsSubdomainProblem);
  check(spec.hostname, "hostname", dnsLabelProblem);
  check(spec.subdomain, "subdomain", dnsLabelProblem);
  check(spec.priorityClassName, "priorityClassName", dnsSubdomainProblem);
  check(spec.runtimeClassName, "runtimeClassName", dnsSubdomainProblem);
  for (const [index, { ip, hostnames }] of (spec.hostAliases ?? []).entries()) {
    if (isIP(ip ?? "") === 0) errors.push(invalidError(`${path}.hostAliases[${index}].ip`, ip ?? "", BAD_IP));
    for (const [position, hostname] of (hostnames ?? []).entries())
      check(hostname, `hostAliases[${index}].hostnames[${position}]`, dnsSubdomainProblem);
  }
  return errors;
}
