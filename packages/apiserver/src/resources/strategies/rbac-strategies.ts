import {
  type ClusterRole,
  type ClusterRoleBinding,
  equalJson,
  type FieldError,
  invalidError,
  notSupportedError,
  requiredError,
  type Role,
  type RoleBinding,
} from "@kedge/kube";
import type { BuiltinStrategy } from "../builtin-strategy.ts";

const RBAC_GROUP = "rbac.authorization.k8s.io";
const SUBJECT_KINDS = ["ServiceAccount", "User", "Group"];

export const roleBindingStrategy: BuiltinStrategy<RoleBinding | ClusterRoleBinding> = {
  applyDefaults({ roleRef, subjects }) {
    if (roleRef !== undefined) roleRef.apiGroup ||= RBAC_GROUP;
    for (const subject of subjects ?? [])
      if (subject.kind === "User" || subject.kind === "Group") subject.apiGroup ||= RBAC_GROUP;
  },
  validate({ kind, roleRef, subjects }) {
    const errors: FieldError[] = [];
    const roles = kind === "ClusterRoleBinding" ? ["ClusterRole"] : ["Role", "ClusterRole"];
    if (roleRef?.apiGroup !== RBAC_GROUP)
      errors.push(notSupportedError("roleRef.apiGroup", roleRef?.apiGroup ?? "", [RBAC_GROUP]));
    if (!roles.includes(roleRef?.kind ?? ""))
      errors.push(notSupportedError("roleRef.kind", roleRef?.kind ?? "", roles));
    if (!roleRef?.name) errors.push(requiredError("roleRef.name"));
    for (const [index, subject] of (subjects ?? []).entries()) {
      const field = `subjects[${index}]`;
      if (!subject.name) errors.push(requiredError(`${field}.name`));
      if (!SUBJECT_KINDS.includes(subject.kind))
        errors.push(notSupportedError(`${field}.kind`, subject.kind, SUBJECT_KINDS));
      // Of a RoleBinding without one, the account is in its own namespace.
      if (subject.kind === "ServiceAccount" && !subject.namespace && kind === "ClusterRoleBinding")
        errors.push(requiredError(`${field}.namespace`));
    }
    return errors;
  },
  validateUpdate: ({ roleRef }, old) =>
    equalJson(roleRef, old.roleRef) ? [] : [invalidError("roleRef", roleRef, "cannot change roleRef")],
};

type Rule = NonNullable<Role["rules"]>[number];

export const roleStrategy: BuiltinStrategy<Role | ClusterRole> = {
  validate: ({ kind, rules }) =>
    (rules ?? []).flatMap((rule, index) => ruleErrors(rule, `rules[${index}]`, kind === "Role")),
};

function ruleErrors(rule: Rule, field: string, namespaced: boolean): FieldError[] {
  const {
    verbs = [],
    apiGroups = [],
    resources = [],
    resourceNames = [],
    nonResourceURLs = [],
  } = rule as Partial<Rule>;
  const errors: FieldError[] = [];
  if (verbs.length === 0) errors.push(requiredError(`${field}.verbs`, "verbs must contain at least one value"));
  if (nonResourceURLs.length > 0) {
    const refuse = (why: string) => errors.push(invalidError(`${field}.nonResourceURLs`, nonResourceURLs, why));
    if (namespaced) refuse("namespaced rules cannot apply to non-resource URLs");
    if (apiGroups.length + resources.length + resourceNames.length > 0)
      refuse("rules cannot apply to both regular resources and non-resource URLs");
    return errors;
  }
  if (apiGroups.length === 0)
    errors.push(requiredError(`${field}.apiGroups`, "resource rules must supply at least one api group"));
  if (resources.length === 0)
    errors.push(requiredError(`${field}.resources`, "resource rules must supply at least one resource"));
  return errors;
}
