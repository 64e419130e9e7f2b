import type { ObjectKey, ResourceType } from "@kedge/kube";

/** `/api/v1` or `/apis/apps/v1`. */
export function groupVersionPath({ group, version }: Pick<ResourceType, "group" | "version">): string {
  return group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
}

/** Where a resource's objects are listed and created. `namespace` absent: those of all namespaces. */
export function collectionPath(type: ResourceType, namespace: string | undefined): string {
  const base = groupVersionPath(type);
  if (!type.namespaced || namespace === undefined || namespace === "") return `${base}/${type.resource}`;
  return `${base}/namespaces/${encodeURIComponent(namespace)}/${type.resource}`;
}

/** Where one object lives. @throws TypeError for a namespaced resource without a namespace: it would name another thing. */
export function objectPath(type: ResourceType, key: ObjectKey, subresource?: string): string {
  if (type.namespaced && (key.namespace === undefined || key.namespace === ""))
    throw new TypeError(`${type.resource} ${key.name}: a namespace is needed`);
  // `encodeURIComponent` leaves dots alone, and a server may take these for a step upwards.
  if (["", ".", ".."].includes(key.name))
    throw new TypeError(`${type.resource}: ${JSON.stringify(key.name)} is no name`);
  if (key.namespace === "." || key.namespace === "..") throw new TypeError(`${key.namespace} is no namespace`);
  const path = `${collectionPath(type, key.namespace)}/${encodeURIComponent(key.name)}`;
  return subresource === undefined || subresource === "" ? path : `${path}/${subresource}`;
}

/** `?a=1&b=2`, or nothing; members that are undefined, false or empty are left out. */
export function queryString(members: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(members))
    if (value !== undefined && value !== "" && value !== false) query.set(name, String(value));
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
