import { SUBJECT_ACCESS_REVIEWS, type SubjectAccessReview } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import type { Clock } from "@kedge/runtime";
import { ExpiringCache } from "./expiring-cache.ts";
import type { KubeletCaller } from "./kubelet-caller.ts";
import { KubeletRefusal } from "./kubelet-refusal.ts";
import type { NodeSubresource } from "./kubelet-routes.ts";

/** Answers that we remember: who may do what with which node. */
const RIGHTS_MAX = 5_000;
/** As a kubelet: a right that was taken away lasts for so long at most. */
const ALLOWED_KEPT_MS = 5 * 60_000;
/** A right that was given works after this. */
const DENIED_KEPT_MS = 30_000;
const REVIEW_MS_MAX = 10_000;
const VERBS: Readonly<Record<string, string>> = { GET: "get", POST: "create" };

/** Asks the API server, as a kubelet does, what a caller may do with a node. */
export class KubeletRights {
  readonly #kube: KubeClient;
  readonly #known: ExpiringCache<boolean>;

  constructor(kube: KubeClient, clock: Clock) {
    this.#kube = kube;
    this.#known = new ExpiringCache(RIGHTS_MAX, clock);
  }

  /** @throws {KubeletRefusal} `Forbidden`; `CannotTell`: the API server does not say now. */
  async expect(
    caller: KubeletCaller,
    method: string,
    node: string,
    subresources: readonly NodeSubresource[],
    signal: AbortSignal,
  ): Promise<void> {
    const verb = VERBS[method] ?? "";
    for (const subresource of subresources) if (await this.#may(caller, verb, node, subresource, signal)) return;
    const what = subresources.map((one) => `nodes/${one}`).join(" or ");
    throw KubeletRefusal.of("Forbidden", `user ${caller.user} may not ${verb} ${what} of node ${node}: see RBAC`);
  }

  async #may(
    { user, groups, uid, extra }: KubeletCaller,
    verb: string,
    name: string,
    subresource: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const key = JSON.stringify([user, groups, uid, extra, verb, name, subresource]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const spec: SubjectAccessReview["spec"] = {
      user,
      groups: [...groups],
      ...(uid !== undefined && { uid }),
      ...(extra !== undefined && {
        extra: Object.fromEntries(Object.entries(extra).map(([of, values]) => [of, [...values]])),
      }),
      resourceAttributes: { version: "v1", resource: "nodes", verb, name, subresource },
    };
    const body: SubjectAccessReview = { apiVersion: "authorization.k8s.io/v1", kind: "SubjectAccessReview", spec };
    try {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(REVIEW_MS_MAX)]);
      const { status } = await this.#kube.create(SUBJECT_ACCESS_REVIEWS, body, limited);
      const allowed = status?.allowed === true;
      this.#known.set(key, allowed, allowed ? ALLOWED_KEPT_MS : DENIED_KEPT_MS);
      return allowed;
    } catch (error) {
      signal.throwIfAborted();
      throw KubeletRefusal.of("CannotTell", `the API server does not tell now what ${user} may do`, error);
    }
  }
}
