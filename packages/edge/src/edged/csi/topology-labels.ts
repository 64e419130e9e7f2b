/** Name, or domain and name, as labels' keys are. */
const KEY = /^(?:([a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)\/)?[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?$/;
const VALUE = /^(?:[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?)?$/;
const KUBERNETES = /(?:^|\.)(?:kubernetes|k8s)\.io$/;
const OWN_TOPOLOGY = "topology.kubernetes.io";

/**
 * What drivers say of where this node is, as labels of the node: provisioners look there. What is no label, or is one of
 * Kubernetes' own that says something else than topology, is left out: a plugin must not cost the node its status.
 */
export function topologyLabels(segments: Readonly<Record<string, string>>): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [key, value] of Object.entries(segments)) {
    const domain = KEY.exec(key)?.[1];
    if (!KEY.test(key) || !VALUE.test(value)) continue;
    if (domain !== undefined && KUBERNETES.test(domain) && domain !== OWN_TOPOLOGY) continue;
    labels[key] = value;
  }
  return labels;
}
