import {
  type CertificateSigningRequest,
  duplicateError,
  type EndpointSlice,
  type Endpoints,
  equalJson,
  type Event,
  type FieldError,
  forbiddenError,
  invalidError,
  labelKeyProblem,
  labelValueProblem,
  type Lease,
  type Namespace,
  type Node,
  notSupportedError,
  requiredError,
} from "@kedge/kube";
import type { BuiltinStrategy } from "../builtin-strategy.ts";

const TAINT_EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
/** Labels every namespace with its own name, so that selectors can tell namespaces apart. */
const NAME_LABEL = "kubernetes.io/metadata.name";

export const nodeStrategy: BuiltinStrategy<Node> = {
  applyDefaults({ status }) {
    if (status?.capacity !== undefined) status.allocatable ??= { ...status.capacity };
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    const seen = new Set<string>();
    for (const [index, { key, value, effect }] of (spec?.taints ?? []).entries()) {
      const field = `metadata.taints[${index}]`; // where Kubernetes says it is
      const keyProblem = labelKeyProblem(key);
      if (keyProblem !== undefined) errors.push(invalidError(`${field}.key`, key, keyProblem));
      const valueProblem = labelValueProblem(value ?? "");
      if (valueProblem !== undefined) errors.push(invalidError(`${field}.value`, value, valueProblem));
      if (!effect) errors.push(requiredError(`${field}.effect`));
      else if (!TAINT_EFFECTS.includes(effect))
        errors.push(notSupportedError(`${field}.effect`, effect, TAINT_EFFECTS));
      const identity = `${key}:${effect}`;
      if (seen.has(identity)) errors.push(duplicateError(`${field}`, { key, effect }));
      seen.add(identity);
    }
    return errors;
  },
  validateUpdate({ spec }, { spec: old }) {
    const errors: FieldError[] = [];
    if (old?.podCIDR && spec?.podCIDR !== old.podCIDR)
      errors.push(forbiddenError("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid'));
    if (old?.providerID && spec?.providerID !== old.providerID)
      errors.push(forbiddenError("spec.providerID", 'node updates may not change providerID except from "" to valid'));
    return errors;
  },
  selectableFields: ({ spec }) => ({ "spec.unschedulable": String(spec?.unschedulable ?? false) }),
};

export const namespaceStrategy: BuiltinStrategy<Namespace> = {
  applyDefaults(namespace) {
    const metadata = (namespace.metadata ??= {});
    if (!metadata.name) return;
    metadata.labels ??= {};
    metadata.labels[NAME_LABEL] ??= metadata.name;
  },
  prepareCreate(namespace) {
    namespace.spec ??= {};
    const finalizers = new Set([...(namespace.spec.finalizers ?? []), "kubernetes"]);
    namespace.spec.finalizers = [...finalizers];
    Object.assign(namespace, { status: { phase: "Active" } });
  },
  prepareUpdate(namespace, old) {
    // Only the finalize subresource may change them.
    if (old.spec === undefined) delete namespace.spec;
    else namespace.spec = old.spec;
  },
  validate({ metadata }) {
    const label = metadata?.labels?.[NAME_LABEL];
    if (label === undefined || label === metadata?.name) return [];
    return [invalidError(`metadata.labels[${NAME_LABEL}]`, label, "must match the namespace's name")];
  },
  selectableFields: ({ status }) => ({ "status.phase": status?.phase ?? "" }),
};

export const leaseStrategy: BuiltinStrategy<Lease> = {
  validate({ spec }) {
    const errors: FieldError[] = [];
    if (spec?.leaseDurationSeconds !== undefined && spec.leaseDurationSeconds <= 0)
      errors.push(invalidError("spec.leaseDurationSeconds", spec.leaseDurationSeconds, "must be greater than 0"));
    if (spec?.leaseTransitions !== undefined && spec.leaseTransitions < 0)
      errors.push(invalidError("spec.leaseTransitions", spec.leaseTransitions, "must be greater than or equal to 0"));
    return errors;
  },
};

export const endpointsStrategy: BuiltinStrategy<Endpoints> = {
  applyDefaults({ subsets }) {
    for (const { ports = [] } of subsets ?? []) for (const port of ports) port.protocol ||= "TCP";
  },
};

export const endpointSliceStrategy: BuiltinStrategy<EndpointSlice> = {
  applyDefaults({ ports }) {
    for (const port of ports ?? []) {
      port.name ??= "";
      port.protocol ||= "TCP";
    }
  },
  validate: ({ addressType }) => (addressType ? [] : [requiredError("addressType")]),
  validateUpdate: ({ addressType }, old) =>
    addressType === old.addressType ? [] : [invalidError("addressType", addressType, "field is immutable")],
};

export const eventStrategy: BuiltinStrategy<Event> = {
  validate({ involvedObject, metadata }) {
    const { namespace = "" } = involvedObject ?? {};
    const expected = namespace === "" ? "default" : namespace;
    // Cluster-scoped objects' events may also be kept in kube-system.
    const fits = metadata?.namespace === expected || (namespace === "" && metadata?.namespace === "kube-system");
    return fits ? [] : [invalidError("involvedObject.namespace", namespace, "does not match event.namespace")];
  },
  selectableFields: ({ involvedObject, reason, reportingComponent, source, type }) => ({
    "involvedObject.kind": involvedObject?.kind ?? "",
    "involvedObject.namespace": involvedObject?.namespace ?? "",
    "involvedObject.name": involvedObject?.name ?? "",
    "involvedObject.uid": involvedObject?.uid ?? "",
    "involvedObject.apiVersion": involvedObject?.apiVersion ?? "",
    "involvedObject.resourceVersion": involvedObject?.resourceVersion ?? "",
    "involvedObject.fieldPath": involvedObject?.fieldPath ?? "",
    reason: reason ?? "",
    reportingComponent: reportingComponent ?? "",
    source: source?.component || reportingComponent || "",
    type: type ?? "",
  }),
};

/** Of `events.k8s.io/v1`: what is stored is an event of `v1`, under whose labels its fields are found. */
export const groupEventStrategy: BuiltinStrategy<Event> = {
  selectableFields(event) {
    const fields = eventStrategy.selectableFields?.(event) ?? {};
    const regarding = Object.entries(fields).map(([name, value]) => [
      name.replace("involvedObject.", "regarding."),
      value,
    ]);
    return {
      ...(Object.fromEntries(regarding) as Record<string, string>),
      reportingController: fields["reportingComponent"] ?? "",
    };
  },
};

const USAGES_SIGNER_PREFIX = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+\/.+$/;
const EXPIRATION_SECONDS_MIN = 600;

export const certificateSigningRequestStrategy: BuiltinStrategy<CertificateSigningRequest> = {
  prepareUpdate(request, old) {
    request.spec = old.spec;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    if (!spec?.request) errors.push(requiredError("spec.request"));
    if (!spec?.signerName) errors.push(requiredError("spec.signerName"));
    else if (!USAGES_SIGNER_PREFIX.test(spec.signerName))
      errors.push(
        invalidError(
          "spec.signerName",
          spec.signerName,
          "must be a fully qualified domain and path of the form 'example.com/signer-name'",
        ),
      );
    if ((spec?.usages ?? []).length === 0) errors.push(requiredError("spec.usages"));
    if (spec?.expirationSeconds !== undefined && spec.expirationSeconds < EXPIRATION_SECONDS_MIN)
      errors.push(
        invalidError(
          "spec.expirationSeconds",
          spec.expirationSeconds,
          `may not specify a duration less than ${EXPIRATION_SECONDS_MIN} seconds (10 minutes)`,
        ),
      );
    return errors;
  },
  validateUpdate({ spec }, old) {
    return equalJson(spec, old.spec) ? [] : [forbiddenError("spec", "the request may not change")];
  },
  selectableFields: ({ spec }) => ({ "spec.signerName": spec?.signerName ?? "" }),
};
