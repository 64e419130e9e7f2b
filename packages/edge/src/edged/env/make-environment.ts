import type { Container, EnvVarSource, Pod } from "@kedge/kube";
import type { Logger } from "@kedge/runtime";
import { ContainerConfigError } from "./container-config-error.ts";
import { type Allocatable, containerResourceValue } from "./container-resource-value.ts";
import { expandVariables } from "./expand-variables.ts";
import { fieldValue, type PodFacts } from "./field-value.ts";
import { PodObjectError, type PodObjects, secretValue } from "./pod-objects.ts";

export interface EnvironmentContext extends PodFacts {
  readonly objects: PodObjects;
  readonly allocatable: Allocatable;
  readonly logger: Logger;
}

export interface EnvironmentVariable {
  readonly name: string;
  readonly value: string;
}

// What a process can be given: any visible character, or a space, but the one that ends a name.
const VARIABLE_NAME = /^[\x20-\x3c\x3e-\x7e]+$/;

/**
 * The variables of a container: `envFrom` in order, then `env` in order, later ones replacing earlier ones of the same
 * name. Nothing is added that the pod does not ask for.
 *
 * @throws ContainerConfigError when a source that is not optional is missing: a container never starts with less.
 */
export async function makeEnvironment(
  pod: Pod,
  container: Container,
  context: EnvironmentContext,
): Promise<EnvironmentVariable[]> {
  try {
    const variables = new Map<string, string>();
    await addEnvFrom(variables, container, context);
    for (const { name, value, valueFrom } of container.env ?? []) {
      if (value !== undefined && value !== "")
        variables.set(
          name,
          expandVariables(value, (other) => variables.get(other)),
        );
      else if (valueFrom === undefined) variables.set(name, "");
      else {
        const found = await resolve(valueFrom, pod, container, context);
        if (found !== undefined) variables.set(name, found);
      }
    }
    const nul = [...variables].find(([, value]) => value.includes("\0"));
    if (nul !== undefined) throw new ContainerConfigError(`environment variable ${nul[0]} contains a NUL byte`);
    return [...variables].map(([name, value]) => ({ name, value }));
  } catch (error) {
    if (error instanceof PodObjectError) throw new ContainerConfigError(error.message, { cause: error });
    throw error;
  }
}

async function addEnvFrom(
  variables: Map<string, string>,
  container: Container,
  { objects, logger }: EnvironmentContext,
): Promise<void> {
  const refused: string[] = [];
  const add = (prefix: string, key: string, value: string) => {
    const name = prefix + key;
    if (VARIABLE_NAME.test(name)) variables.set(name, value);
    else refused.push(name);
  };
  for (const { configMapRef, secretRef, prefix = "" } of container.envFrom ?? []) {
    if (configMapRef !== undefined) {
      const configMap = await objects.configMap(configMapRef.name ?? "", configMapRef.optional);
      for (const [key, value] of sorted(configMap?.data ?? {})) add(prefix, key, value);
    } else if (secretRef !== undefined) {
      const secret = await objects.secret(secretRef.name ?? "", secretRef.optional);
      for (const [key, value] of sorted(secret?.data ?? {})) add(prefix, key, Buffer.from(value, "base64").toString());
    }
  }
  if (refused.length > 0)
    logger.warn(
      { container: container.name, names: refused.slice(0, 10) },
      "keys that cannot be variables were left out",
    );
}

/** @returns undefined: an optional source is missing, so the variable is left out. */
async function resolve(
  source: EnvVarSource,
  pod: Pod,
  container: Container,
  context: EnvironmentContext,
): Promise<string | undefined> {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = source;
  const { objects } = context;
  if (fieldRef !== undefined) return fieldValue(pod, fieldRef.fieldPath, context);
  if (resourceFieldRef !== undefined)
    return containerResourceValue(resourceFieldRef, pod, container, context.allocatable);
  if (configMapKeyRef !== undefined) {
    const { name = "", key, optional = false } = configMapKeyRef;
    const configMap = await objects.configMap(name, optional);
    const value = configMap?.data?.[key];
    if (value === undefined && !optional)
      throw new ContainerConfigError(`couldn't find key ${key} in ConfigMap ${objects.namespace}/${name}`);
    return value;
  }
  if (secretKeyRef !== undefined) {
    const { name = "", key, optional = false } = secretKeyRef;
    const secret = await objects.secret(name, optional);
    const value = secret === undefined ? undefined : secretValue(secret, key);
    if (value === undefined && !optional)
      throw new ContainerConfigError(`couldn't find key ${key} in Secret ${objects.namespace}/${name}`);
    return value?.toString();
  }
  throw new ContainerConfigError(`unsupported variable source: ${Object.keys(source).join(", ")}`);
}

function sorted(data: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1));
}
