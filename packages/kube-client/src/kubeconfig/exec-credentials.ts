import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { abortable, type Clock, systemClock, toError } from "@kedge/runtime";
import { KubeClientError } from "../kube-client-error.ts";
import type { Credential, CredentialSource } from "../transport/credentials.ts";

const run = promisify(execFile);
const PLUGIN_TIMEOUT_MS = 60_000;
const PLUGIN_OUTPUT_BYTES_MAX = 1024 * 1024;
/** A token is renewed this long before it ends. */
const RENEW_EARLY_MS = 30_000;

/** `users[].user.exec` of a kubeconfig. */
export interface ExecPlugin {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly installHint?: string | undefined;
}

interface ExecCredential {
  readonly kind?: string;
  readonly status?: {
    readonly expirationTimestamp?: string;
    readonly token?: string;
    readonly clientCertificateData?: string;
    readonly clientKeyData?: string;
  };
}

/**
 * Credentials that a program prints as an `ExecCredential`. It is started without a shell and without a terminal, and
 * again when what it gave ends or is refused.
 * @see https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
 */
export function execCredentials(plugin: ExecPlugin, clock: Clock = systemClock): CredentialSource {
  let cached: { readonly credential: Credential; readonly renewAt: number } | undefined;
  let pending: Promise<Credential> | undefined;

  async function renew(): Promise<Credential> {
    const status = await runPlugin(plugin);
    const ends = Date.parse(status.expirationTimestamp ?? "");
    const credential: Credential = {
      bearerToken: status.token,
      clientCertificate: status.clientCertificateData,
      clientKey: status.clientKeyData,
    };
    cached = { credential, renewAt: Number.isNaN(ends) ? Infinity : ends - RENEW_EARLY_MS };
    return credential;
  }

  return {
    async get(signal) {
      if (cached !== undefined && clock.now() < cached.renewAt) return cached.credential;
      pending ??= renew().finally(() => (pending = undefined)); // many requests, one program
      return abortable(pending, signal);
    },
    invalidate() {
      cached = undefined;
    },
  };
}

async function runPlugin(plugin: ExecPlugin): Promise<NonNullable<ExecCredential["status"]>> {
  const info = { apiVersion: plugin.apiVersion, kind: "ExecCredential", spec: { interactive: false } };
  try {
    const { stdout } = await run(plugin.command, plugin.args, {
      env: { ...process.env, ...plugin.env, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
      timeout: PLUGIN_TIMEOUT_MS,
      maxBuffer: PLUGIN_OUTPUT_BYTES_MAX,
      shell: false,
    });
    const credential = JSON.parse(stdout) as ExecCredential | null;
    if (credential?.kind !== "ExecCredential" || credential.status === undefined)
      throw new Error("it did not print an ExecCredential with a status");
    const { token, clientCertificateData } = credential.status;
    if (token === undefined && clientCertificateData === undefined)
      throw new Error("its ExecCredential has neither a token nor a certificate");
    return credential.status;
  } catch (cause) {
    const hint = plugin.installHint === undefined ? "" : ` (${plugin.installHint})`;
    throw new KubeClientError(
      `credential program ${plugin.command} failed: ${toError(cause).message}${hint}`,
      { code: "CredentialUnavailable", source: plugin.command },
      { cause },
    );
  }
}
