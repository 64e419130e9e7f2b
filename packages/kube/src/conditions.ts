/** What the conditions of all kinds have in common; `lastTransitionTime` is RFC 3339. */
export interface StatusCondition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
  observedGeneration?: number;
}

export function findCondition<C extends { type: string }>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function isConditionTrue(
  conditions: readonly { type: string; status: string }[] | undefined,
  type: string,
): boolean {
  return findCondition(conditions, type)?.status === "True";
}

/**
 * The list with this condition set; its `lastTransitionTime` becomes `nowIso` only when its status turns.
 *
 * @returns a new list; the given one stays as it is.
 */
export function withCondition<C extends StatusCondition>(
  conditions: readonly C[] | undefined,
  condition: C,
  nowIso: string,
): C[] {
  const old = findCondition(conditions, condition.type);
  const since = old?.status === condition.status ? old.lastTransitionTime : nowIso;
  const next: C = { ...condition, lastTransitionTime: since ?? nowIso };
  if (old === undefined) return [...(conditions ?? []), next];
  return (conditions ?? []).map((each) => (each.type === condition.type ? next : each));
}
