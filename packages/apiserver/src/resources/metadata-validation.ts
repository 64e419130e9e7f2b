import {
  type FieldError,
  dnsLabelProblem,
  dnsSubdomainProblem,
  forbiddenError,
  invalidError,
  type KubeObject,
  labelKeyProblem,
  labelValueProblem,
  requiredError,
  type ResourceType,
  tooLongError,
} from "@kedge/kube";

/** What names a resource takes; `path` is any text that can be one segment of a URL. */
export type NameRule = "subdomain" | "label" | "path";

const STANDARD_FINALIZERS = ["kubernetes", "orphan", "foregroundDeletion"];
export const ANNOTATIONS_BYTES_MAX = 256 * 1024;
/** A generated name gets this many more characters. */
const GENERATED_SUFFIX_CHARS = 5;
const GENERATED_BASE_CHARS_MAX = 63 - GENERATED_SUFFIX_CHARS;

const PROBLEM_OF: Readonly<Record<NameRule, (name: string) => string | undefined>> = {
  subdomain: dnsSubdomainProblem,
  label: dnsLabelProblem,
  path: pathSegmentProblem,
};

function pathSegmentProblem(name: string): string | undefined {
  if (name === "." || name === "..") return `may not be '${name}'`;
  const illegal = ["/", "%"].find((character) => name.includes(character));
  return illegal === undefined ? undefined : `may not contain '${illegal}'`;
}

/** What is wrong with an object's name, labels, annotations, finalizers and owners. */
export function metadataErrors(
  object: KubeObject,
  { namespaced }: ResourceType,
  nameRule: NameRule,
  options: { readonly qualifiedFinalizers: boolean },
): FieldError[] {
  const { metadata = {} } = object;
  const errors: FieldError[] = [];
  if (metadata.generateName !== undefined && metadata.generateName !== "") {
    const base = metadata.generateName.slice(0, GENERATED_BASE_CHARS_MAX).replace(/-+$/, "");
    const problem = PROBLEM_OF[nameRule](base === "" ? "a" : base);
    if (problem !== undefined) errors.push(invalidError("metadata.generateName", metadata.generateName, problem));
  }
  if (metadata.name === undefined || metadata.name === "")
    errors.push(requiredError("metadata.name", "name or generateName is required"));
  else {
    const problem = PROBLEM_OF[nameRule](metadata.name);
    if (problem !== undefined) errors.push(invalidError("metadata.name", metadata.name, problem));
  }
  if (namespaced) {
    if (metadata.namespace === undefined || metadata.namespace === "") errors.push(requiredError("metadata.namespace"));
    else {
      const problem = dnsLabelProblem(metadata.namespace);
      if (problem !== undefined) errors.push(invalidError("metadata.namespace", metadata.namespace, problem));
    }
  } else if (metadata.namespace !== undefined && metadata.namespace !== "")
    errors.push(forbiddenError("metadata.namespace", "not allowed on this type"));
  errors.push(...labelErrors(metadata.labels, "metadata.labels"));
  errors.push(...annotationErrors(metadata.annotations, "metadata.annotations"));
  for (const [index, finalizer] of (metadata.finalizers ?? []).entries()) {
    const problem = labelKeyProblem(finalizer);
    if (problem !== undefined) errors.push(invalidError("metadata.finalizers", finalizer, problem));
    if (options.qualifiedFinalizers && !finalizer.includes("/") && !STANDARD_FINALIZERS.includes(finalizer))
      errors.push(
        invalidError(
          `metadata.finalizers[${index}]`,
          finalizer,
          "name is neither a standard finalizer name nor is it fully qualified",
        ),
      );
  }
  return [...errors, ...ownerErrors(object)];
}

export function labelErrors(labels: Readonly<Record<string, string>> | undefined, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(labels ?? {})) {
    const keyProblem = labelKeyProblem(key);
    if (keyProblem !== undefined) errors.push(invalidError(field, key, keyProblem));
    const valueProblem = labelValueProblem(value);
    if (valueProblem !== undefined) errors.push(invalidError(field, value, valueProblem));
  }
  return errors;
}

export function annotationErrors(
  annotations: Readonly<Record<string, string>> | undefined,
  field: string,
): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    const problem = labelKeyProblem(key.toLowerCase());
    if (problem !== undefined) errors.push(invalidError(field, key, problem));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > ANNOTATIONS_BYTES_MAX) errors.push(tooLongError(field, ANNOTATIONS_BYTES_MAX));
  return errors;
}

function ownerErrors({ metadata }: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  const owners = metadata?.ownerReferences ?? [];
  for (const [index, owner] of owners.entries()) {
    const field = `metadata.ownerReferences[${index}]`;
    for (const name of ["apiVersion", "kind", "name", "uid"] as const)
      if (owner[name] === undefined || owner[name] === "")
        errors.push(invalidError(`${field}.${name}`, owner[name] ?? "", `${name} must not be empty`));
  }
  const controllers = owners.filter((owner) => owner.controller === true);
  if (controllers.length > 1)
    errors.push(
      invalidError(
        "metadata.ownerReferences",
        controllers.map(({ name }) => name),
        "Only one reference can have Controller set to true",
      ),
    );
  return errors;
}
