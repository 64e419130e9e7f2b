import {
  type CustomResourceDefinition,
  dns1035LabelProblem,
  dnsSubdomainProblem,
  duplicateError,
  type FieldError,
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
} from "@kedge/kube";
import { COLUMN_TYPES } from "./custom-columns.ts";
import { structuralErrors } from "./structural-validation.ts";
import { compileJsonPath } from "./json-path.ts";

type Spec = CustomResourceDefinition["spec"];
type Version = Spec["versions"][number];

const SCOPES = ["Cluster", "Namespaced"];
/** As many versions as one definition may have; each is served and published. */
export const CRD_VERSIONS_MAX = 64;

/** What is wrong with a CustomResourceDefinition, in the words of the API server. */
export function crdErrors({ metadata, spec }: CustomResourceDefinition): FieldError[] {
  if (spec === undefined) return [requiredError("spec")];
  const errors = [...groupErrors(spec.group), ...nameErrors(spec)];
  const expected = `${spec.names?.plural ?? ""}.${spec.group}`;
  if (metadata?.name !== expected)
    errors.push(invalidError("metadata.name", metadata?.name, `must be spec.names.plural+"."+spec.group`));
  if (!spec.scope) errors.push(requiredError("spec.scope"));
  else if (!SCOPES.includes(spec.scope)) errors.push(notSupportedError("spec.scope", spec.scope, SCOPES));
  if (spec.preserveUnknownFields === true)
    errors.push(
      invalidError(
        "spec.preserveUnknownFields",
        true,
        "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
      ),
    );
  if (spec.conversion !== undefined && spec.conversion.strategy !== "None")
    errors.push(notSupportedError("spec.conversion.strategy", spec.conversion.strategy, ["None"]));
  return [...errors, ...versionsErrors(spec.versions ?? [])];
}

function groupErrors(group: string | undefined): FieldError[] {
  if (!group) return [requiredError("spec.group")];
  const problem = dnsSubdomainProblem(group);
  if (problem !== undefined) return [invalidError("spec.group", group, problem)];
  if (!group.includes(".")) return [invalidError("spec.group", group, "should be a domain with at least one dot")];
  return [];
}

function nameErrors({ names }: Spec): FieldError[] {
  if (names === undefined) return [requiredError("spec.names")];
  const errors: FieldError[] = [];
  const check = (field: string, value: string | undefined, label: string) => {
    if (!value) return void errors.push(requiredError(`spec.names.${field}`));
    const problem = dns1035LabelProblem(label);
    const prefix = value === label ? "" : "may have mixed case, but should otherwise match: ";
    if (problem !== undefined) errors.push(invalidError(`spec.names.${field}`, value, `${prefix}${problem}`));
    return undefined;
  };
  check("plural", names.plural, names.plural ?? "");
  check("singular", names.singular, names.singular ?? "");
  check("kind", names.kind, (names.kind ?? "").toLowerCase());
  check("listKind", names.listKind, (names.listKind ?? "").toLowerCase());
  if (names.kind && names.kind === names.listKind)
    errors.push(invalidError("spec.names.listKind", names.listKind, "kind and listKind may not be the same"));
  for (const [index, name] of (names.shortNames ?? []).entries()) check(`shortNames[${index}]`, name, name);
  return errors;
}

function versionsErrors(versions: readonly Version[]): FieldError[] {
  if (versions.length > CRD_VERSIONS_MAX)
    return [forbiddenError("spec.versions", `at most ${CRD_VERSIONS_MAX} versions`)];
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [index, version] of versions.entries()) {
    const field = `spec.versions[${index}]`;
    const problem = dns1035LabelProblem(version.name ?? "");
    if (problem !== undefined) errors.push(invalidError(`${field}.name`, version.name, problem));
    if (names.has(version.name)) errors.push(duplicateError(`${field}.name`, version.name));
    names.add(version.name);
    errors.push(...versionErrors(version, field));
  }
  if (versions.filter(({ storage }) => storage).length !== 1)
    errors.push(invalidError("spec.versions", [...names], "must have exactly one version marked as storage version"));
  return errors;
}

function versionErrors(version: Version, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const written = version.schema?.openAPIV3Schema;
  if (written === undefined) errors.push(requiredError(`${field}.schema.openAPIV3Schema`, "schemas are required"));
  else errors.push(...structuralErrors(written, `${field}.schema.openAPIV3Schema`));
  for (const [index, each] of (version.additionalPrinterColumns ?? []).entries()) {
    const at = `${field}.additionalPrinterColumns[${index}]`;
    if (!each.name) errors.push(requiredError(`${at}.name`));
    if (!COLUMN_TYPES.some((type) => type === each.type))
      errors.push(notSupportedError(`${at}.type`, each.type, COLUMN_TYPES));
    errors.push(...pathErrors(each.jsonPath, `${at}.jsonPath`));
  }
  const scale = version.subresources?.scale;
  if (scale !== undefined) {
    const at = `${field}.subresources.scale`;
    errors.push(...pathErrors(scale.specReplicasPath, `${at}.specReplicasPath`, ".spec."));
    errors.push(...pathErrors(scale.statusReplicasPath, `${at}.statusReplicasPath`, ".status."));
  }
  const selectable = (version as { selectableFields?: { jsonPath: string }[] }).selectableFields ?? [];
  for (const [index, { jsonPath }] of selectable.entries())
    errors.push(...pathErrors(jsonPath, `${field}.selectableFields[${index}].jsonPath`));
  return errors;
}

function pathErrors(path: string | undefined, field: string, prefix = "."): FieldError[] {
  if (!path) return [requiredError(field)];
  if (!path.startsWith(prefix))
    return [
      invalidError(
        field,
        path,
        prefix === "."
          ? "must be a simple json path starting with ."
          : `should be a json path under ${prefix.slice(0, -1)}`,
      ),
    ];
  try {
    compileJsonPath(path);
    return [];
  } catch (error) {
    return [invalidError(field, path, (error as Error).message)];
  }
}
