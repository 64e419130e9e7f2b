import {
  compareQuantities,
  type Container,
  type ContainerPort,
  dnsLabelProblem,
  duplicateError,
  type EnvVar,
  type FieldError,
  forbiddenError,
  invalidError,
  labelKeyProblem,
  notFoundError,
  notSupportedError,
  parseQuantity,
  type Probe,
  requiredError,
  type ResourceRequirements,
  type VolumeMount,
} from "@kedge/kube";
import { backstepErrors } from "./volume-validation.ts";

const PULL_POLICIES = ["Always", "IfNotPresent", "Never"];
const MESSAGE_POLICIES = ["File", "FallbackToLogsOnError"];
const PROTOCOLS = ["SCTP", "TCP", "UDP"];
const PORT_MAX = 65_535;
const HANDLERS = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] as const;

export interface ContainerContext {
  /** Names that mounts may refer to. */
  readonly volumes: ReadonlySet<string>;
  readonly hostNetwork: boolean;
  readonly init: boolean;
  /** In a template, ports on the host's network need not be said twice. */
  readonly template: boolean;
}

export function containerErrors(container: Container, field: string, context: ContainerContext): FieldError[] {
  const errors: FieldError[] = [];
  const { name, image, imagePullPolicy, terminationMessagePolicy } = container;
  if (!name) errors.push(requiredError(`${field}.name`));
  else {
    const problem = dnsLabelProblem(name);
    if (problem !== undefined) errors.push(invalidError(`${field}.name`, name, problem));
  }
  if (!image) errors.push(requiredError(`${field}.image`));
  else if (image !== image.trim())
    errors.push(invalidError(`${field}.image`, image, "must not have leading or trailing whitespace"));
  if (imagePullPolicy !== undefined && !PULL_POLICIES.includes(imagePullPolicy))
    errors.push(notSupportedError(`${field}.imagePullPolicy`, imagePullPolicy, PULL_POLICIES));
  if (terminationMessagePolicy !== undefined && !MESSAGE_POLICIES.includes(terminationMessagePolicy))
    errors.push(notSupportedError(`${field}.terminationMessagePolicy`, terminationMessagePolicy, MESSAGE_POLICIES));
  return [
    ...errors,
    ...portErrors(container.ports ?? [], `${field}.ports`, context),
    ...envErrors(container.env ?? [], `${field}.env`),
    ...envFromErrors(container, field),
    ...mountErrors(container.volumeMounts ?? [], `${field}.volumeMounts`, context.volumes),
    ...resourceErrors(container.resources ?? {}, `${field}.resources`),
    ...hookErrors(container, field, context.init),
  ];
}

function portErrors(
  ports: readonly ContainerPort[],
  path: string,
  { hostNetwork, template }: ContainerContext,
): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const field = `${path}[${index}]`;
    const { name, containerPort, hostPort, protocol } = port;
    if (name !== undefined && name !== "") {
      const problem = portNameProblem(name);
      if (problem !== undefined) errors.push(invalidError(`${field}.name`, name, problem));
      else if (names.has(name)) errors.push(duplicateError(`${field}.name`, name));
      names.add(name);
    }
    if (!containerPort) errors.push(requiredError(`${field}.containerPort`));
    else errors.push(...portNumberErrors(containerPort, `${field}.containerPort`));
    if (hostPort !== undefined && hostPort !== 0) errors.push(...portNumberErrors(hostPort, `${field}.hostPort`));
    if (hostNetwork && hostPort !== containerPort && !(template && !hostPort))
      errors.push(
        invalidError(`${field}.hostPort`, hostPort ?? 0, "must match `containerPort` when `hostNetwork` is true"),
      );
    if (!protocol) errors.push(requiredError(`${field}.protocol`));
    else if (!PROTOCOLS.includes(protocol)) errors.push(notSupportedError(`${field}.protocol`, protocol, PROTOCOLS));
  }
  return errors;
}

export function portNumberErrors(port: number, field: string): FieldError[] {
  return port >= 1 && port <= PORT_MAX ? [] : [invalidError(field, port, "must be between 1 and 65535, inclusive")];
}

export function portNameProblem(name: string): string | undefined {
  if (name.length > 15) return "must be no more than 15 characters";
  if (!/^[-a-z0-9]+$/.test(name)) return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
  if (!/[a-z]/.test(name)) return "must contain at least one letter (a-z)";
  if (name.includes("--")) return "must not contain consecutive hyphens";
  return name.startsWith("-") || name.endsWith("-") ? "must not begin or end with a hyphen" : undefined;
}

/** Any printable ASCII but `=`, as Kubernetes takes it since 1.32. */
function envNameProblem(name: string): string | undefined {
  return /^[ -<>-~]+$/.test(name)
    ? undefined
    : "a valid environment variable name must consist only of printable ASCII characters other than '='";
}

function envErrors(env: readonly EnvVar[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, { name, value, valueFrom }] of env.entries()) {
    const field = `${path}[${index}]`;
    if (!name) errors.push(requiredError(`${field}.name`));
    else {
      const problem = envNameProblem(name);
      if (problem !== undefined) errors.push(invalidError(`${field}.name`, name, problem));
    }
    if (valueFrom === undefined) continue;
    const sources = Object.keys(valueFrom);
    if (value !== undefined && value !== "" && sources.length > 0)
      errors.push(invalidError(`${field}.valueFrom`, "", "may not be specified when `value` is not empty"));
    if (sources.length === 0)
      errors.push(
        invalidError(
          `${field}.valueFrom`,
          "",
          "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        ),
      );
    if (sources.length > 1)
      errors.push(invalidError(`${field}.valueFrom`, "", "may not have more than one field specified at a time"));
    for (const kind of ["configMapKeyRef", "secretKeyRef"] as const) {
      const reference = valueFrom[kind];
      if (reference === undefined) continue;
      if (!reference.name) errors.push(requiredError(`${field}.valueFrom.${kind}.name`));
      if (!reference.key) errors.push(requiredError(`${field}.valueFrom.${kind}.key`));
    }
    if (valueFrom.fieldRef !== undefined && valueFrom.fieldRef.fieldPath === "")
      errors.push(requiredError(`${field}.valueFrom.fieldRef.fieldPath`));
  }
  return errors;
}

function envFromErrors({ envFrom = [] }: Container, field: string): FieldError[] {
  const at = `${field}.envFrom`;
  return envFrom.flatMap(({ configMapRef, secretRef }) => {
    const count = Number(configMapRef !== undefined) + Number(secretRef !== undefined);
    if (count === 0) return [invalidError(at, "", "must specify one of: `configMapRef` or `secretRef`")];
    if (count > 1) return [invalidError(at, "", "may not have more than one field specified at a time")];
    const kind = configMapRef === undefined ? "secretRef" : "configMapRef";
    return (configMapRef ?? secretRef)?.name ? [] : [requiredError(`${at}.${kind}.name`)];
  });
}

function mountErrors(mounts: readonly VolumeMount[], path: string, volumes: ReadonlySet<string>): FieldError[] {
  const errors: FieldError[] = [];
  const places = new Set<string>();
  for (const [index, mount] of mounts.entries()) {
    const field = `${path}[${index}]`;
    if (!mount.name) errors.push(requiredError(`${field}.name`));
    else if (!volumes.has(mount.name)) errors.push(notFoundError(`${field}.name`, mount.name));
    if (!mount.mountPath) errors.push(requiredError(`${field}.mountPath`));
    else if (places.has(mount.mountPath))
      errors.push(invalidError(`${field}.mountPath`, mount.mountPath, "must be unique"));
    places.add(mount.mountPath);
    for (const sub of ["subPath", "subPathExpr"] as const) {
      const value = mount[sub];
      if (value === undefined) continue;
      // Kubernetes leaves the index out here.
      if (value.startsWith("/")) errors.push(invalidError(`${path}.${sub}`, value, "must be a relative path"));
      errors.push(...backstepErrors(value, `${path}.${sub}`));
    }
  }
  return errors;
}

function resourceErrors({ requests = {}, limits = {} }: ResourceRequirements, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [list, quantities] of Object.entries({ limits, requests }))
    for (const [name, quantity] of Object.entries(quantities)) {
      const problem = labelKeyProblem(name);
      if (problem !== undefined) errors.push(invalidError(`${field}.${list}`, name, problem));
      if (parseQuantity(quantity).nanos < 0n)
        errors.push(invalidError(`${field}.${list}[${name}]`, quantity, "must be greater than or equal to 0"));
    }
  for (const [name, request] of Object.entries(requests)) {
    const limit = limits[name];
    if (limit !== undefined && compareQuantities(parseQuantity(request), parseQuantity(limit)) > 0)
      errors.push(
        invalidError(`${field}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`),
      );
  }
  return errors;
}

function hookErrors(container: Container, field: string, init: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const isSidecar = (container as { restartPolicy?: string }).restartPolicy === "Always";
  for (const kind of ["livenessProbe", "readinessProbe", "startupProbe"] as const) {
    const probe = container[kind];
    if (probe === undefined) continue;
    if (init && !isSidecar)
      errors.push(
        forbiddenError(`${field}.${kind}`, "may not be set for init containers without restartPolicy=Always"),
      );
    errors.push(...probeErrors(probe, `${field}.${kind}`, kind === "readinessProbe"));
  }
  if (init && !isSidecar && container.lifecycle !== undefined)
    errors.push(
      forbiddenError(`${field}.lifecycle`, "may not be set for init containers without restartPolicy=Always"),
    );
  for (const kind of ["postStart", "preStop"] as const) {
    const handler = container.lifecycle?.[kind];
    if (handler !== undefined) errors.push(...handlerErrors(handler, `${field}.lifecycle.${kind}`));
  }
  return errors;
}

function probeErrors(probe: Probe, field: string, mayNeedMore: boolean): FieldError[] {
  const errors = handlerErrors(probe, field);
  for (const name of [
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
  ] as const) {
    const value = probe[name];
    if (value !== undefined && value < 0)
      errors.push(invalidError(`${field}.${name}`, value, "must be greater than or equal to 0"));
  }
  if (!mayNeedMore && (probe.successThreshold ?? 1) !== 1)
    errors.push(invalidError(`${field}.successThreshold`, probe.successThreshold, "must be 1"));
  return errors;
}

function handlerErrors(handler: object, field: string): FieldError[] {
  const given = HANDLERS.filter((kind) => Object.hasOwn(handler, kind));
  if (given.length === 0) return [requiredError(field, "must specify a handler type")];
  return given.slice(1).map((kind) => forbiddenError(`${field}.${kind}`, "may not specify more than 1 handler type"));
}
