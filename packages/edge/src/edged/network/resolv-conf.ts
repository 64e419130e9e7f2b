/** How names are resolved: what a resolv.conf(5) says. */
export interface ResolverConfig {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  /** `name` or `name:value`. */
  readonly options: readonly string[];
}

/** What is longer than that is not read. */
export const RESOLV_CONF_BYTES_MAX = 10 * 1024 * 1024;

/** Servers add up, the last `search` line wins, a later option replaces an earlier one of its name. */
export function parseResolvConf(text: string): ResolverConfig {
  const servers: string[] = [];
  let searches: string[] = [];
  const options = new Map<string, string>();
  for (const line of text.slice(0, RESOLV_CONF_BYTES_MAX).split("\n")) {
    const [keyword, ...values] = line.trim().split(/\s+/);
    if (keyword === "nameserver" && values[0] !== undefined) servers.push(values[0]);
    if (keyword === "search") searches = values.filter((name) => name !== ".").map((name) => name.replace(/\.$/, ""));
    if (keyword === "options") for (const option of values) options.set(option.split(":")[0] ?? option, option);
  }
  return { servers, searches, options: [...options.values()] };
}
