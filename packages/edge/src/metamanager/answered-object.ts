import { KubeApiError, type KubeObject, type ObjectKey } from "@kedge/kube";

/**
 * The object, if it is the one that was asked for: an empty object, which a cloud sends along with an error that it could
 * not express, must never pass for a pod (W24, W-06).
 *
 * @throws {KubeApiError} `InternalError`
 */
export function requireObject<T extends KubeObject>(object: T, key: ObjectKey): T {
  const { name, namespace = "" } = object.metadata ?? {};
  if (name === key.name && namespace === (key.namespace ?? "")) return object;
  throw new KubeApiError({
    status: "Failure",
    reason: "InternalError",
    code: 500,
    message: `the cloud answered with object "${namespace}/${name ?? ""}" when asked for "${key.namespace ?? ""}/${key.name}"`,
  });
}

export function isKubeObject(value: unknown): value is KubeObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
