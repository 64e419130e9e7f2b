import { readFileSync } from "node:fs";
import { request } from "node:https";
import type { KubeStatus } from "@kedge/kube";
import type { TestKubernetes } from "@kedge/testing";

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
}

const CONTENT_TYPES = {
  strategic: "application/strategic-merge-patch+json",
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
  none: "application/json",
} as const;

/** Speaks to a real API server with all its headers, which a client hides. */
export class RealKubernetes {
  readonly #server: string;
  readonly #tls: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer };

  constructor(kubernetes: TestKubernetes) {
    const kubeconfig = JSON.parse(readFileSync(kubernetes.adminKubeconfig, "utf8")) as {
      clusters: { cluster: Record<string, string> }[];
      users: { user: Record<string, string> }[];
    };
    const [{ cluster } = { cluster: {} }] = kubeconfig.clusters;
    const [{ user } = { user: {} }] = kubeconfig.users;
    const decoded = (text = "") => Buffer.from(text, "base64");
    this.#server = kubernetes.server;
    this.#tls = {
      ca: decoded(cluster["certificate-authority-data"]),
      cert: decoded(user["client-certificate-data"]),
      key: decoded(user["client-key-data"]),
    };
  }

  call<T = KubeStatus>(
    method: string,
    path: string,
    options: { body?: unknown; patch?: keyof typeof CONTENT_TYPES; accept?: string } = {},
  ): Promise<Answer<T>> {
    const { body, patch = "none", accept = "application/json" } = options;
    const { promise, resolve, reject } = Promise.withResolvers<Answer<T>>();
    const headers = { accept, "content-type": CONTENT_TYPES[patch] };
    const call = request(`${this.#server}${path}`, { method, headers, ...this.#tls }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(parts).toString("utf8");
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as T });
      });
    });
    call.on("error", reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
    return promise;
  }
}

/** An object less what only a server knows, and less nulls, which say nothing. */
export function comparable(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, member: unknown) => (SERVER_MEMBERS.has(key) || member === null ? undefined : member)),
  );
}

const SERVER_MEMBERS = new Set(["uid", "creationTimestamp", "resourceVersion", "managedFields"]);
