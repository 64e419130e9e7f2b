import { type KubeObject, type LabelSelector, selectorMatches } from "@kedge/kube";

/** Those of `owners` whose selector asks for this object. */
export function selecting<T extends { spec?: { selector?: LabelSelector } }>(
  owners: readonly T[],
  object: KubeObject,
): T[] {
  return owners.filter(({ spec }) => selectorMatches(spec?.selector, object.metadata?.labels));
}
