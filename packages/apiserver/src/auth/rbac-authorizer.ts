import type { KubeObject } from "@kedge/kube";
import { keyPrefix, storageKey } from "../storage/object-key.ts";
import type { RevisionLog } from "../storage/revision-log.ts";
import { type Attributes, type PolicyRule, ruleAllows } from "./policy-rule.ts";
import { GROUP_MASTERS, GROUP_SERVICE_ACCOUNTS, serviceAccountUsername, type UserInfo } from "./user-info.ts";

const GROUP = "rbac.authorization.k8s.io";

interface Subject {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

interface RoleBinding extends KubeObject {
  readonly subjects?: readonly Subject[];
  readonly roleRef?: { readonly kind: string; readonly name: string };
}

interface Role extends KubeObject {
  readonly rules?: readonly PolicyRule[];
}

interface Grant {
  readonly subjects: readonly Subject[];
  readonly namespace: string;
  readonly rules: readonly PolicyRule[];
}

export interface Decision {
  readonly allowed: boolean;
  readonly reason: string;
}

/** Who may do what. */
export interface Authorizer {
  authorize(user: UserInfo, attributes: Attributes): Decision;
  /** Everything this user may do in a namespace; empty: cluster-wide grants alone. */
  rulesOf(user: UserInfo, namespace: string): PolicyRule[];
}

/** Roles and bindings in storage, as Kubernetes' RBAC: what nothing grants is denied. Members of `system:masters` may all. */
export class RbacAuthorizer implements Authorizer, Disposable {
  readonly #log: RevisionLog;
  readonly #grants = new Map<string, readonly Grant[]>();
  readonly #subscription: Disposable;

  constructor(log: RevisionLog) {
    this.#log = log;
    this.#subscription = log.onCommit((changes) => {
      if (changes.some(({ stored }) => stored.key.startsWith(`${GROUP}/`))) this.#grants.clear();
    });
  }

  authorize(user: UserInfo, attributes: Attributes): Decision {
    if (user.groups.includes(GROUP_MASTERS)) return { allowed: true, reason: "" };
    const allowed = this.rulesOf(user, attributes.namespace ?? "").some((rule) => ruleAllows(rule, attributes));
    return { allowed, reason: "" };
  }

  rulesOf(user: UserInfo, namespace: string): PolicyRule[] {
    if (user.groups.includes(GROUP_MASTERS)) return [EVERYTHING, EVERY_PATH];
    const grants = [...this.#grantsIn(""), ...(namespace === "" ? [] : this.#grantsIn(namespace))];
    return grants
      .filter(({ subjects, namespace: home }) => subjects.some((subject) => isSubject(subject, user, home)))
      .flatMap(({ rules }) => rules);
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }

  /** The bindings of a namespace; empty: those of the cluster. */
  #grantsIn(namespace: string): readonly Grant[] {
    const known = this.#grants.get(namespace);
    if (known !== undefined) return known;
    const resource = namespace === "" ? "clusterrolebindings" : "rolebindings";
    const grants = this.#log.list(keyPrefix({ group: GROUP, resource }, namespace)).map(({ object }): Grant => {
      const { subjects = [], roleRef } = object as RoleBinding;
      return { subjects, namespace, rules: this.#rules(roleRef, namespace) };
    });
    // Only where something is granted: else asking about ever new namespaces would fill our memory.
    if (grants.length > 0) this.#grants.set(namespace, grants);
    return grants;
  }

  #rules(roleRef: RoleBinding["roleRef"], namespace: string): readonly PolicyRule[] {
    if (roleRef === undefined) return [];
    const { kind, name } = roleRef;
    const type = { group: GROUP, resource: kind === "ClusterRole" ? "clusterroles" : "roles" };
    if (kind !== "ClusterRole" && namespace === "") return [];
    const key = storageKey(type, kind === "ClusterRole" ? { name } : { namespace, name });
    return (this.#log.get(key)?.object as Role | undefined)?.rules ?? [];
  }
}

const EVERYTHING: PolicyRule = { verbs: ["*"], apiGroups: ["*"], resources: ["*"] };
const EVERY_PATH: PolicyRule = { verbs: ["*"], nonResourceURLs: ["*"] };

function isSubject({ kind, name, namespace = "" }: Subject, user: UserInfo, home: string): boolean {
  switch (kind) {
    case "User":
      return name === user.username;
    case "Group":
      return user.groups.includes(name);
    case "ServiceAccount":
      return (
        user.groups.includes(GROUP_SERVICE_ACCOUNTS) &&
        user.username === serviceAccountUsername(namespace === "" ? home : namespace, name)
      );
    default:
      return false;
  }
}
