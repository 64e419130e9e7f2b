import { readFileSync, statSync } from "node:fs";
import { dirname, isAbsolute, resolve } from "node:path";
import { toError } from "@kedge/runtime";
import { parse } from "yaml";
import { type CredentialSource, fixedCredential } from "../transport/credentials.ts";
import { type ExecPlugin, execCredentials } from "./exec-credentials.ts";
import type { KubeConnection } from "./kube-connection.ts";
import { KubeconfigError } from "./kubeconfig-error.ts";
import { tokenFileCredentials } from "./token-file-credentials.ts";
import { YamlReader } from "./yaml-reader.ts";

const KUBECONFIG_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Reads one context of a kubeconfig file. Paths in it are relative to the file.
 *
 * @param contextName default: the file's `current-context`.
 * @throws KubeconfigError naming file and member; also for what we refuse (`insecure-skip-tls-verify`) or do not support
 *   (`proxy-url`, `auth-provider`, user and password).
 */
export function loadKubeconfig(path: string, contextName?: string): KubeConnection {
  const config = new YamlReader(path, parseFile(path));
  const wanted = contextName ?? config.requiredText("current-context");
  const context = named(config, "contexts", wanted, "context");
  const cluster = named(config, "clusters", context.requiredText("cluster"), "cluster");
  const user = context.text("user");
  return {
    ...readCluster(cluster),
    credentials: user === undefined ? fixedCredential({}) : readUser(named(config, "users", user, "user")),
    namespace: context.text("namespace"),
  };
}

function parseFile(file: string): unknown {
  let text: string;
  try {
    if (statSync(file).size > KUBECONFIG_BYTES_MAX) throw new Error(`larger than ${KUBECONFIG_BYTES_MAX} bytes`);
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new KubeconfigError(
      `cannot read kubeconfig ${file}: ${toError(cause).message}`,
      { code: "Unreadable", file },
      { cause },
    );
  }
  try {
    return parse(text, { maxAliasCount: 0 });
  } catch (cause) {
    throw new KubeconfigError(`${file} is not YAML: ${toError(cause).message}`, { code: "Malformed", file }, { cause });
  }
}

function named(config: YamlReader, list: string, name: string, member: string): YamlReader {
  const found = config
    .list(list)
    .find((entry) => entry.text("name") === name)
    ?.mapping(member);
  if (found === undefined)
    throw new KubeconfigError(`${config.file}: ${list} has no ${member} named ${JSON.stringify(name)}`, {
      code: "Incomplete",
      file: config.file,
    });
  return found;
}

function readCluster(cluster: YamlReader): Pick<KubeConnection, "server" | "serverCa" | "serverName"> {
  const { file } = cluster;
  const server = cluster.requiredText("server");
  if (cluster.flag("insecure-skip-tls-verify"))
    throw new KubeconfigError(
      `${file}: ${cluster.at("insecure-skip-tls-verify")} is refused: anybody could pose as the API server; ` +
        `set certificate-authority-data to the authority that signed its certificate`,
      { code: "InsecureRefused", file },
    );
  if (cluster.text("proxy-url") !== undefined)
    throw new KubeconfigError(`${file}: ${cluster.at("proxy-url")} is not supported`, { code: "Unsupported", file });
  let url: URL;
  try {
    url = new URL(server);
  } catch {
    throw new KubeconfigError(`${file}: ${cluster.at("server")} is not a URL: ${server}`, { code: "Malformed", file });
  }
  if (url.protocol !== "https:")
    throw new KubeconfigError(`${file}: ${cluster.at("server")} must begin with https://, not ${url.protocol}//`, {
      code: "InsecureRefused",
      file,
    });
  return {
    server,
    serverCa: inlineOrFile(cluster, "certificate-authority"),
    serverName: cluster.text("tls-server-name"),
  };
}

function readUser(user: YamlReader): CredentialSource {
  const { file } = user;
  for (const member of ["username", "password"]) if (user.text(member) !== undefined) throw unsupported(user, member);
  if (user.mapping("auth-provider") !== undefined) throw unsupported(user, "auth-provider");
  const exec = user.mapping("exec");
  if (exec !== undefined) return execCredentials(readExecPlugin(exec));
  const clientCertificate = inlineOrFile(user, "client-certificate");
  const clientKey = inlineOrFile(user, "client-key");
  if ((clientCertificate === undefined) !== (clientKey === undefined))
    throw new KubeconfigError(`${file}: ${user.at("client-certificate")} and client-key are needed together`, {
      code: "Incomplete",
      file,
    });
  const certificate = { clientCertificate, clientKey };
  const tokenFile = user.text("tokenFile");
  if (tokenFile !== undefined) return tokenFileCredentials(besideFile(file, tokenFile), certificate);
  return fixedCredential({ ...certificate, bearerToken: user.text("token") });
}

function readExecPlugin(exec: YamlReader): ExecPlugin {
  const apiVersion = exec.requiredText("apiVersion");
  if (apiVersion !== "client.authentication.k8s.io/v1" && apiVersion !== "client.authentication.k8s.io/v1beta1")
    throw unsupported(exec, `apiVersion ${apiVersion}`);
  const command = exec.requiredText("command");
  return {
    apiVersion,
    // As kubectl reads it: a bare name is looked up in PATH, a path is relative to the file.
    command: command.includes("/") ? besideFile(exec.file, command) : command,
    args: exec.textList("args"),
    env: Object.fromEntries(exec.list("env").map((entry) => [entry.requiredText("name"), entry.text("value") ?? ""])),
    installHint: exec.text("installHint"),
  };
}

function unsupported(reader: YamlReader, member: string): KubeconfigError {
  return new KubeconfigError(`${reader.file}: ${reader.at(member)} is not supported`, {
    code: "Unsupported",
    file: reader.file,
  });
}

/** `x-data` (base64) or else the file named by `x`. */
function inlineOrFile(reader: YamlReader, member: string): string | undefined {
  const inline = reader.text(`${member}-data`);
  if (inline !== undefined) return Buffer.from(inline, "base64").toString("utf8");
  const path = reader.text(member);
  if (path === undefined) return undefined;
  try {
    return readFileSync(besideFile(reader.file, path), "utf8");
  } catch (cause) {
    throw new KubeconfigError(
      `${reader.file}: cannot read ${reader.at(member)}: ${toError(cause).message}`,
      { code: "Unreadable", file: reader.file },
      { cause },
    );
  }
}

function besideFile(file: string, path: string): string {
  return isAbsolute(path) ? path : resolve(dirname(file), path);
}
