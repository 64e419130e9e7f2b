/** One rule of a role. */
export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
}

/** What somebody wants to do: with a resource, or with another `path`. */
export interface Attributes {
  readonly verb: string;
  readonly group?: string;
  readonly version?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly path?: string;
}

export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  const { verb, group = "", resource = "", subresource = "", name = "", path } = attributes;
  if (!includes(rule.verbs, verb)) return false;
  if (path !== undefined) return (rule.nonResourceURLs ?? []).some((pattern) => pathMatches(pattern, path));
  if (!includes(rule.apiGroups ?? [], group)) return false;
  const { resources = [], resourceNames = [] } = rule;
  const combined = subresource === "" ? resource : `${resource}/${subresource}`;
  const matches = resources.some(
    (allowed) => allowed === "*" || allowed === combined || (subresource !== "" && allowed === `*/${subresource}`),
  );
  return matches && (resourceNames.length === 0 || resourceNames.includes(name));
}

function includes(allowed: readonly string[], value: string): boolean {
  return allowed.includes("*") || allowed.includes(value);
}

function pathMatches(pattern: string, path: string): boolean {
  if (pattern === "*" || pattern === path) return true;
  return pattern.endsWith("*") && path.startsWith(pattern.slice(0, -1));
}
