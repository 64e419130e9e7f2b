import type { KubeObject } from "@kedge/kube";
import { type Attributes, type PolicyRule, ruleAllows } from "../auth/policy-rule.ts";
import { GROUP_MASTERS, type UserInfo } from "../auth/user-info.ts";
import { forbidden } from "../rest/status-error.ts";
import { storageKey } from "../storage/object-key.ts";
import type { Admission } from "./admit.ts";

const GROUP = "rbac.authorization.k8s.io";

/** Single things that one rule of an author who may not all can name: verbs × resources × names; each is looked up. */
const RULE_ATTRIBUTES_MAX = 10_000;
/** Of a rule in a refusal. */
const SHOWN_CHARS_MAX = 1_000;

/** Whether a rule is whole is checked after admission. */
type WrittenRule = Partial<PolicyRule>;

interface RbacObject extends KubeObject {
  readonly rules?: readonly WrittenRule[];
  readonly roleRef?: { readonly kind: string; readonly name: string };
}

/**
 * Nobody may grant what they do not have themselves: not by writing a role, not by binding one. Exempt are who may
 * `escalate` roles, or `bind` that role.
 *
 * @throws KubeApiError `Forbidden`
 */
export function checkEscalation(admission: Admission): void {
  const { request, object, context } = admission;
  const { type } = request.definition;
  if (type.group !== GROUP) return;
  const { user } = request.http;
  if (user.groups.includes(GROUP_MASTERS)) return;
  const { namespace } = request.info;
  const held = context.authorizer.rulesOf(user, namespace);
  const missing = grantedRules(admission, object as RbacObject).find((rule) => !covered(rule, held));
  if (missing === undefined || exempt(admission, user)) return;
  throw forbidden(
    type,
    object.metadata?.name ?? "",
    `user "${user.username}" (groups=${JSON.stringify(user.groups)}) is attempting to grant RBAC permissions not currently held: ${JSON.stringify(missing).slice(0, SHOWN_CHARS_MAX)}`,
  );
}

function grantedRules({ writer, request }: Admission, { rules, roleRef }: RbacObject): readonly WrittenRule[] {
  if (roleRef === undefined) return rules ?? [];
  const key =
    roleRef.kind === "ClusterRole"
      ? storageKey({ group: GROUP, resource: "clusterroles" }, { name: roleRef.name })
      : storageKey({ group: GROUP, resource: "roles" }, { namespace: request.info.namespace, name: roleRef.name });
  const role = writer.get(key)?.object as RbacObject | undefined;
  // A role that is not there yet may become anything.
  return role === undefined ? [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }] : (role.rules ?? []);
}

function exempt({ context, request, object }: Admission, user: UserInfo): boolean {
  const { roleRef } = object as RbacObject;
  const { namespace, name } = request.info;
  const asked: Attributes =
    roleRef === undefined
      ? { verb: "escalate", resource: request.definition.type.resource, name }
      : { verb: "bind", resource: roleRef.kind === "ClusterRole" ? "clusterroles" : "roles", name: roleRef.name };
  return context.authorizer.authorize(user, { group: GROUP, namespace, ...asked }).allowed;
}

/** Whether one holds everything that `rule` says. */
function covered(rule: WrittenRule, held: readonly PolicyRule[]): boolean {
  if (attributeCount(rule) > RULE_ATTRIBUTES_MAX) return false;
  return attributesOf(rule).every((attributes) => held.some((one) => ruleAllows(one, attributes)));
}

function attributeCount({ verbs = [], apiGroups, resources, resourceNames, nonResourceURLs }: WrittenRule): number {
  const count = (list: readonly string[] | undefined) => list?.length ?? 0;
  return (
    verbs.length * (count(nonResourceURLs) + count(apiGroups) * count(resources) * Math.max(1, count(resourceNames)))
  );
}

/** Every single thing that a rule allows. */
function attributesOf({
  verbs = [],
  apiGroups = [],
  resources = [],
  resourceNames = [],
  nonResourceURLs = [],
}: WrittenRule): Attributes[] {
  const names = resourceNames.length === 0 ? [""] : resourceNames;
  return verbs.flatMap((verb) => [
    ...nonResourceURLs.map((path) => ({ verb, path })),
    ...apiGroups.flatMap((group) =>
      resources.flatMap((text) => {
        const [resource = "", subresource = ""] = text.split("/");
        return names.map((name) => ({ verb, group, resource, subresource, name }));
      }),
    ),
  ]);
}
