import { forbidden } from "../rest/status-error.ts";
import type { Authorizer } from "./rbac-authorizer.ts";
import { GROUP_AUTHENTICATED, serviceAccountGroups, type UserInfo } from "./user-info.ts";

const USER_HEADER = "impersonate-user";
const GROUP_HEADER = "impersonate-group";
const UID_HEADER = "impersonate-uid";
const EXTRA_HEADER = "impersonate-extra-";
/** Groups that a caller may ask to act in. */
const GROUPS_MAX = 64;

/**
 * Whom the caller wants to act as (`kubectl --as`), if a role allows it to; without such headers, the caller.
 *
 * @throws KubeApiError `Forbidden`
 */
export function impersonate(
  caller: UserInfo,
  headers: Readonly<Record<string, string | undefined>>,
  authorizer: Authorizer,
): UserInfo {
  const username = headers[USER_HEADER] ?? "";
  const asked = Object.keys(headers).filter((name) => name.startsWith("impersonate-"));
  if (asked.length === 0) return caller;
  const check = (attributes: {
    group?: string;
    resource: string;
    subresource?: string;
    namespace?: string;
    name: string;
  }) => {
    if (authorizer.authorize(caller, { verb: "impersonate", ...attributes }).allowed) return;
    const { group = "", resource, name } = attributes;
    throw forbidden(
      { group, resource },
      name,
      `User "${caller.username}" cannot impersonate resource "${resource}" in API group "${group}" at the cluster scope`,
    );
  };
  // Extra facts and groups belong to somebody; who is not named is nobody, and nobody may be impersonated.
  const account = serviceAccountOf(username);
  if (account === undefined) check({ resource: "users", name: username });
  else check({ resource: "serviceaccounts", ...account });
  const groups = (headers[GROUP_HEADER] ?? "").split(/, */).filter((group) => group !== "");
  for (const group of groups.slice(0, GROUPS_MAX)) check({ resource: "groups", name: group });
  const uid = headers[UID_HEADER];
  if (uid !== undefined) check({ group: "authentication.k8s.io", resource: "uids", name: uid });
  const extra: Record<string, string[]> = {};
  for (const header of asked.filter((name) => name.startsWith(EXTRA_HEADER))) {
    const key = decoded(header.slice(EXTRA_HEADER.length));
    const value = headers[header] ?? "";
    check({ group: "authentication.k8s.io", resource: "userextras", subresource: key, name: value });
    extra[key] = [value];
  }
  const own = account === undefined || groups.length > 0 ? groups : serviceAccountGroups(account.namespace);
  return {
    username,
    groups: [...new Set([...own.slice(0, GROUPS_MAX), GROUP_AUTHENTICATED])],
    ...(uid === undefined ? {} : { uid }),
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}

/** The part of a header's name, as it is where it is not well encoded. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function serviceAccountOf(username: string): { namespace: string; name: string } | undefined {
  const match = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username);
  if (match === null) return undefined;
  const [, namespace = "", name = ""] = match;
  return { namespace, name };
}
