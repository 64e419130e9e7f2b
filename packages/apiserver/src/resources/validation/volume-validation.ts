import {
  dnsLabelProblem,
  duplicateError,
  type FieldError,
  forbiddenError,
  invalidError,
  type KeyToPath,
  notSupportedError,
  requiredError,
  type Volume,
} from "@kedge/kube";

const HOST_PATH_TYPES = [
  "",
  "BlockDevice",
  "CharDevice",
  "Directory",
  "DirectoryOrCreate",
  "File",
  "FileOrCreate",
  "Socket",
];
const FILE_MODE_MAX = 0o777;

/** What is wrong with a pod's volumes: names, exactly one source each, and paths that stay where they belong. */
export function volumeErrors(volumes: readonly Volume[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [index, volume] of volumes.entries()) {
    const field = `${path}[${index}]`;
    errors.push(...nameErrors(volume.name, `${field}.name`));
    if (names.has(volume.name)) errors.push(duplicateError(`${field}.name`, volume.name));
    names.add(volume.name);
    errors.push(...sourceErrors(volume, field));
  }
  return errors;
}

function nameErrors(name: string | undefined, field: string): FieldError[] {
  if (name === undefined || name === "") return [requiredError(field)];
  const problem = dnsLabelProblem(name);
  return problem === undefined ? [] : [invalidError(field, name, problem)];
}

function sourceErrors(volume: Volume, field: string): FieldError[] {
  const sources = Object.keys(volume).filter((key) => key !== "name");
  if (sources.length === 0) return [requiredError(field, "must specify a volume type")];
  const errors = sources
    .slice(1)
    .map((source) => forbiddenError(`${field}.${source}`, "may not specify more than 1 volume type"));
  const { hostPath, configMap, secret, projected, downwardAPI, persistentVolumeClaim } = volume;
  if (hostPath !== undefined) {
    if (hostPath.path === "") errors.push(requiredError(`${field}.hostPath.path`));
    else errors.push(...backstepErrors(hostPath.path, `${field}.hostPath.path`));
    if (!HOST_PATH_TYPES.includes(hostPath.type ?? ""))
      errors.push(notSupportedError(`${field}.hostPath.type`, hostPath.type, HOST_PATH_TYPES));
  }
  if (configMap !== undefined) {
    if (!configMap.name) errors.push(requiredError(`${field}.configMap.name`));
    errors.push(...itemErrors(configMap.items, `${field}.configMap.items`));
    errors.push(...modeErrors(configMap.defaultMode, `${field}.configMap.defaultMode`));
  }
  if (secret !== undefined) {
    if (!secret.secretName) errors.push(requiredError(`${field}.secret.secretName`));
    errors.push(...itemErrors(secret.items, `${field}.secret.items`));
    errors.push(...modeErrors(secret.defaultMode, `${field}.secret.defaultMode`));
  }
  if (persistentVolumeClaim !== undefined && persistentVolumeClaim.claimName === "")
    errors.push(requiredError(`${field}.persistentVolumeClaim.claimName`));
  if (projected !== undefined) {
    errors.push(...modeErrors(projected.defaultMode, `${field}.projected.defaultMode`));
    for (const [index, source] of (projected.sources ?? []).entries()) {
      const at = `${field}.projected.sources[${index}]`;
      errors.push(...itemErrors(source.configMap?.items, `${at}.configMap.items`));
      errors.push(...itemErrors(source.secret?.items, `${at}.secret.items`));
      if (source.serviceAccountToken !== undefined && source.serviceAccountToken.path === "")
        errors.push(requiredError(`${at}.serviceAccountToken.path`));
    }
  }
  for (const [index, item] of (downwardAPI?.items ?? []).entries()) {
    const at = `${field}.downwardAPI.items[${index}]`;
    errors.push(...relativePathErrors(item.path, `${at}.path`));
    if ((item.fieldRef === undefined) === (item.resourceFieldRef === undefined))
      errors.push(requiredError(at, "one of fieldRef and resourceFieldRef is required"));
  }
  return errors;
}

function itemErrors(items: readonly KeyToPath[] | undefined, field: string): FieldError[] {
  return (items ?? []).flatMap(({ key, path, mode }, index) => [
    ...(key === "" ? [requiredError(`${field}[${index}].key`)] : []),
    ...relativePathErrors(path, `${field}[${index}].path`),
    ...modeErrors(mode, `${field}[${index}].mode`),
  ]);
}

function modeErrors(mode: number | undefined, field: string): FieldError[] {
  if (mode === undefined || (mode >= 0 && mode <= FILE_MODE_MAX)) return [];
  return [invalidError(field, mode, "must be a number between 0 and 0777 (octal), both inclusive")];
}

function relativePathErrors(path: string | undefined, field: string): FieldError[] {
  if (path === undefined || path === "") return [requiredError(field)];
  if (path.startsWith("/")) return [invalidError(field, path, "must be a relative path")];
  const errors = backstepErrors(path, field);
  if (path.startsWith("..") && errors.length === 0) errors.push(invalidError(field, path, "must not start with '..'"));
  return errors;
}

export function backstepErrors(path: string, field: string): FieldError[] {
  return path.split("/").includes("..") ? [invalidError(field, path, "must not contain '..'")] : [];
}
