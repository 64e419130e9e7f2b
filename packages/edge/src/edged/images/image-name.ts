/** Component by component, as the distribution reference grammar has it, without backtracking traps. */
const DOMAIN =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?::\d{1,5})?$|^\[[0-9a-fA-F:]+\](?::\d{1,5})?$/;
const PATH_COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const NAME_CHARS_MAX = 255;
const DEFAULT_REGISTRY = "docker.io";

export interface ImageName {
  /** What the runtime is asked for: with tag or digest. */
  readonly full: string;
  /** `registry/path`, with Docker's defaults filled in: what credentials are matched with. */
  readonly repository: string;
}

/** @returns `undefined` if this is not the name of an image. */
export function parseImageName(image: string): ImageName | undefined {
  const at = image.indexOf("@");
  const digest = at === -1 ? undefined : image.slice(at + 1);
  const named = at === -1 ? image : image.slice(0, at);
  if (digest !== undefined && !DIGEST.test(digest)) return undefined;
  const colon = named.lastIndexOf(":");
  const tag = colon > named.lastIndexOf("/") ? named.slice(colon + 1) : undefined;
  const path = tag === undefined ? named : named.slice(0, colon);
  if ((tag !== undefined && !TAG.test(tag)) || path.length > NAME_CHARS_MAX) return undefined;

  const slash = path.indexOf("/");
  const first = slash === -1 ? "" : path.slice(0, slash);
  const hasRegistry = /[.:]/.test(first) || first === "localhost" || first.toLowerCase() !== first;
  const registry = hasRegistry ? first : DEFAULT_REGISTRY;
  const rest = hasRegistry ? path.slice(slash + 1) : path;
  if (!DOMAIN.test(registry) || !rest.split("/").every((component) => PATH_COMPONENT.test(component))) return undefined;
  const qualified = !hasRegistry && !rest.includes("/") ? `library/${rest}` : rest;
  const full = tag === undefined && digest === undefined ? `${image}:latest` : image;
  return { full, repository: `${registry}/${qualified}` };
}
