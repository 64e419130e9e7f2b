import {
  controllerOf,
  controllerReference,
  type KubeObject,
  type LabelSelector,
  type ObjectKey,
  type ResourceType,
  selectorMatches,
} from "@kedge/kube";
import type { Informer, KubeClient } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";
import { BY_ORPHAN_NAMESPACE, BY_OWNER } from "./shared-informers.ts";

export interface ClaimPlan<T> {
  /** Ours already and still wanted. */
  readonly owned: readonly T[];
  /** Nobody's, and our selector asks for it. */
  readonly adopt: readonly T[];
  /** Ours, but its labels no longer match. */
  readonly release: readonly T[];
}

/** Whom an owner with a selector may call its own. By uid: a namesake's children are not ours. */
export function planClaims<T extends KubeObject>(
  owner: KubeObject,
  selector: LabelSelector | undefined,
  candidates: readonly T[],
): ClaimPlan<T> {
  const plan = { owned: [] as T[], adopt: [] as T[], release: [] as T[] };
  const dying = owner.metadata?.deletionTimestamp !== undefined;
  for (const object of candidates) {
    const controller = controllerOf(object);
    const matches = selectorMatches(selector, object.metadata?.labels);
    if (controller !== undefined) {
      if (controller.uid !== owner.metadata?.uid) continue;
      if (matches) plan.owned.push(object);
      else if (!dying) plan.release.push(object);
    } else if (matches && !dying && object.metadata?.deletionTimestamp === undefined) plan.adopt.push(object);
  }
  return plan;
}

/** The children of `owner` in a cache with the indexes of ownership, after adopting and releasing. */
export async function claimChildren<T extends KubeObject>(
  kube: KubeClient,
  ownerType: ResourceType,
  owner: KubeObject,
  selector: LabelSelector | undefined,
  children: Informer<T>,
  signal: AbortSignal,
): Promise<T[]> {
  const { uid = "", namespace = "" } = owner.metadata ?? {};
  const candidates = [...children.byIndex(BY_OWNER, uid), ...children.byIndex(BY_ORPHAN_NAMESPACE, namespace)].filter(
    (object) => object.metadata?.namespace === namespace,
  );
  const plan = planClaims(owner, selector, candidates);
  const claimed = [...plan.owned];
  if (plan.adopt.length > 0 && (await stillWanted(kube, ownerType, owner, signal))) {
    const references = [controllerReference(owner, ownerType)];
    for (const object of plan.adopt) {
      const adopted = await patchOwners(kube, children.type, object, { ownerReferences: references }, signal);
      if (adopted !== undefined) claimed.push(adopted);
    }
  }
  for (const object of plan.release)
    await patchOwners(kube, children.type, object, { ownerReferences: [{ $patch: "delete", uid }] }, signal);
  return claimed;
}

/** Asked of the server: adopting for an owner that our cache does not know to be gone would resurrect its children. */
async function stillWanted(
  kube: KubeClient,
  type: ResourceType,
  owner: KubeObject,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const fresh = await kube.get(type, keyOfOwner(owner), signal);
    return fresh.metadata?.uid === owner.metadata?.uid && fresh.metadata?.deletionTimestamp === undefined;
  } catch (error) {
    if (hasCode(error, "NotFound")) return false;
    throw error;
  }
}

async function patchOwners<T extends KubeObject>(
  kube: KubeClient,
  type: ResourceType<T>,
  object: T,
  metadata: object,
  signal: AbortSignal,
): Promise<T | undefined> {
  // The uid in the patch makes it fail for a namesake that took this one's place.
  const body = { metadata: { ...metadata, uid: object.metadata?.uid } };
  try {
    return await kube.patch(type, keyOfOwner(object), { type: "strategic", body }, signal);
  } catch (error) {
    if (hasCode(error, "NotFound") || hasCode(error, "Invalid") || hasCode(error, "Conflict")) return undefined;
    throw error;
  }
}

function keyOfOwner(object: KubeObject): ObjectKey {
  const { namespace, name = "" } = object.metadata ?? {};
  return { namespace, name };
}
