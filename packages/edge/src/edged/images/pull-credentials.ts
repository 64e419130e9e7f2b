import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { AuthConfig } from "@kedge/cri";
import type { Pod, Secret } from "@kedge/kube";
import { type Logger, toError } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";
import { secretValue } from "../env/pod-objects.ts";

/** `~/.docker/config.json` and what is stored like it; more than that is not read. */
const CONFIG_BYTES_MAX = 1024 * 1024;
const CREDENTIALS_MAX = 64;

interface Credential {
  /** Host, and perhaps path, without scheme: `registry.example.com/team`; `*` stands for one part of the host. */
  readonly scope: string;
  readonly auth: AuthConfig;
}

export interface CredentialSources {
  readonly bus: EdgeBus;
  readonly logger: Logger;
  readonly nodeConfigPaths: readonly string[];
}

/** The pod's `imagePullSecrets`, and the names of those that could not be had: the image may be public all the same. */
export async function pullSecrets(
  pod: Pod,
  { bus, logger }: Pick<CredentialSources, "bus" | "logger">,
  signal: AbortSignal,
): Promise<{ readonly secrets: readonly Secret[]; readonly missing: readonly string[] }> {
  const secrets: Secret[] = [];
  const missing: string[] = [];
  const namespace = pod.metadata?.namespace ?? "";
  for (const { name = "" } of pod.spec?.imagePullSecrets ?? []) {
    if (name === "") continue;
    try {
      const secret = await bus.request("meta/getSecret", { namespace, name }, signal);
      if (secret === undefined) missing.push(name);
      else secrets.push(secret);
    } catch (error) {
      signal.throwIfAborted();
      logger.warn({ namespace, name, error: toError(error) }, "image pull secret not read");
      missing.push(name);
    }
  }
  return { secrets, missing };
}

/** With what to try to pull an image: these secrets, then the node's own Docker configuration, each the most specific first. */
export async function pullCredentials(
  secrets: readonly Secret[],
  repository: string,
  { logger, nodeConfigPaths }: Omit<CredentialSources, "bus">,
): Promise<AuthConfig[]> {
  const found: AuthConfig[] = [];
  for (const secret of secrets)
    try {
      found.push(...matching(credentialsOf(secret), repository));
    } catch (error) {
      const { name, namespace } = secret.metadata ?? {};
      logger.warn({ namespace, name, error: toError(error) }, "image pull secret not usable");
    }
  for (const path of nodeConfigPaths) {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text === undefined || text.length > CONFIG_BYTES_MAX) continue;
    try {
      found.push(...matching(parseDockerConfig(text), repository));
    } catch (error) {
      logger.warn({ path, error: toError(error) }, "Docker configuration not usable");
    }
  }
  return found.slice(0, CREDENTIALS_MAX);
}

export function nodeConfigPaths(rootDirectory: string): string[] {
  return [join(rootDirectory, "config.json"), join(homedir(), ".docker/config.json"), "/.docker/config.json"];
}

function credentialsOf(secret: Secret): Credential[] {
  const json = secretValue(secret, ".dockerconfigjson");
  if (json !== undefined) return parseDockerConfig(json.toString());
  const legacy = secretValue(secret, ".dockercfg");
  return legacy === undefined ? [] : parseDockerConfig(`{"auths":${legacy.toString()}}`);
}

/** @throws SyntaxError */
export function parseDockerConfig(text: string): Credential[] {
  const { auths = {} } = JSON.parse(text) as { auths?: Record<string, Record<string, string> | null> };
  return Object.entries(auths).flatMap(([address, entry]) => {
    if (typeof entry !== "object" || entry === null) return [];
    const [user, ...rest] = Buffer.from(entry["auth"] ?? "", "base64")
      .toString()
      .split(":");
    const username = entry["username"] ?? user ?? "";
    const password = entry["password"] ?? rest.join(":");
    const identityToken = entry["identitytoken"] ?? "";
    if (username === "" && identityToken === "") return [];
    const scope = address.replace(/^https?:\/\//, "").replace(/\/(v1|v2)?\/?$/, "");
    // No server address: containerd 1.6 reads one as a URL, which `host:port` is not.
    return [{ scope, auth: { username, password, identityToken } }];
  });
}

/** Those whose scope covers the repository, the longest first. */
export function matching(credentials: readonly Credential[], repository: string): AuthConfig[] {
  return credentials
    .filter(({ scope }) => covers(scope, repository))
    .sort((a, b) => b.scope.length - a.scope.length)
    .map(({ auth }) => auth);
}

function covers(scope: string, repository: string): boolean {
  const [host = "", ...path] = scope.split("/");
  const [imageHost = "", ...imagePath] = repository.split("/");
  const hosts = host === "index.docker.io" || host === "registry-1.docker.io" ? "docker.io" : host;
  const parts = hosts.split(".");
  const imageParts = imageHost.split(".");
  if (parts.length !== imageParts.length) return false;
  if (!parts.every((part, index) => matchesGlob(part, imageParts[index] ?? ""))) return false;
  return path.filter(Boolean).every((part, index) => part === imagePath[index]);
}

function matchesGlob(pattern: string, text: string): boolean {
  const pieces = pattern.split("*");
  if (pieces.length === 1) return pattern === text;
  const [head = ""] = pieces;
  const tail = pieces.at(-1) ?? "";
  return (
    text.length >= head.length + tail.length && text.startsWith(head) && text.endsWith(tail) && pieces.length === 2
  );
}
