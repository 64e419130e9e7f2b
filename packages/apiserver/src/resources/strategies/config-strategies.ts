import {
  type ConfigMap,
  configKeyProblem,
  equalJson,
  type FieldError,
  forbiddenError,
  invalidError,
  requiredError,
  type Secret,
  tooLongError,
} from "@kedge/kube";
import type { BuiltinStrategy } from "../builtin-strategy.ts";

/** Of all values together. */
export const CONFIG_BYTES_MAX = 1024 * 1024;

export const configMapStrategy: BuiltinStrategy<ConfigMap> = {
  validate({ data = {}, binaryData = {} }) {
    const errors = [...keyErrors(Object.keys(data), "data"), ...keyErrors(Object.keys(binaryData), "binaryData")];
    for (const key of Object.keys(data))
      if (Object.hasOwn(binaryData, key))
        errors.push(invalidError(`data[${key}]`, key, "duplicate of key present in binaryData"));
    const bytes = sum(Object.values(data).map((text) => Buffer.byteLength(text))) + decodedBytes(binaryData);
    return bytes > CONFIG_BYTES_MAX ? [...errors, tooLongError("", CONFIG_BYTES_MAX)] : errors;
  },
  validateUpdate(map, old) {
    if (old.immutable !== true) return [];
    const errors: FieldError[] = [];
    if (map.immutable !== true) errors.push(forbiddenError("immutable", IMMUTABLE));
    if (!equalJson(map.data, old.data)) errors.push(forbiddenError("data", IMMUTABLE));
    if (!equalJson(map.binaryData, old.binaryData)) errors.push(forbiddenError("binaryData", IMMUTABLE));
    return errors;
  },
};

const IMMUTABLE = "field is immutable when `immutable` is set";

/** Secret types whose data must hold these keys. */
const REQUIRED_KEYS: Readonly<Record<string, readonly string[]>> = {
  "kubernetes.io/dockercfg": [".dockercfg"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
};

export const secretStrategy: BuiltinStrategy<Secret> = {
  applyDefaults(secret) {
    secret.type ||= "Opaque";
    if (secret.stringData === undefined) return;
    secret.data ??= {};
    for (const [key, text] of Object.entries(secret.stringData))
      secret.data[key] = Buffer.from(text).toString("base64");
    delete secret.stringData;
  },
  validate({ type = "", data = {}, metadata }) {
    const errors = keyErrors(Object.keys(data), "data");
    if (decodedBytes(data) > CONFIG_BYTES_MAX) errors.push(tooLongError("data", CONFIG_BYTES_MAX));
    for (const key of REQUIRED_KEYS[type] ?? [])
      if (!Object.hasOwn(data, key)) errors.push(requiredError(`data[${key}]`));
    const account = metadata?.annotations?.["kubernetes.io/service-account.name"];
    if (type === "kubernetes.io/service-account-token" && !account)
      errors.push(requiredError("metadata.annotations[kubernetes.io/service-account.name]"));
    return errors;
  },
  validateUpdate(secret, old) {
    const errors: FieldError[] = [];
    if (secret.type !== old.type) errors.push(invalidError("type", secret.type, "field is immutable"));
    if (old.immutable !== true) return errors;
    if (secret.immutable !== true) errors.push(forbiddenError("immutable", IMMUTABLE));
    if (!equalJson(secret.data, old.data)) errors.push(forbiddenError("data", IMMUTABLE));
    return errors;
  },
  selectableFields: ({ type }) => ({ type: type ?? "" }),
};

function keyErrors(keys: readonly string[], field: string): FieldError[] {
  return keys.flatMap((key) => {
    const problem = configKeyProblem(key);
    return problem === undefined ? [] : [invalidError(`${field}[${key}]`, key, problem)];
  });
}

function decodedBytes(data: Readonly<Record<string, string>>): number {
  return sum(Object.values(data).map((text) => Math.floor((text.length * 3) / 4)));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
