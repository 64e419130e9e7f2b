import { readdirSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { type KubeObject, type Node, NODES, PODS, type Taint } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { toError } from "@kedge/runtime";
import { type Check, failedCheck } from "../checks.ts";

/** Server-side apply and Lease v1 are there, and CRDs are v1. */
const MINOR_MIN = 22;
const PAGE_MAX = 500;

/** A cloudcore that runs by itself on a node of the cluster has the ports that the one to be installed needs. */
export function localCloudCoreCheck(kube: KubeClient): Check {
  const name = "no other cloudcore";
  return {
    name,
    async run(signal) {
      const pid = readdirSync("/proc").find((entry) => /^\d+$/.test(entry) && commandOf(entry) === "cloudcore");
      if (pid === undefined) return "none runs on this host";
      const { items } = await kube.list(NODES, { limit: PAGE_MAX }, signal);
      const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
      const isNode = items
        .flatMap(({ status }) => status?.addresses ?? [])
        .some((one) => own.some(({ address, internal }) => !internal && address === one.address));
      if (!isNode) return "one runs on this host, which is no node of the cluster";
      throw failedCheck(name, `cloudcore runs on this host (process ${pid}): stop it first, or give --force`);
    },
  };
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return ""; // gone meanwhile
  }
}

export function versionCheck(kube: KubeClient): Check {
  const name = "Kubernetes version";
  return {
    name,
    async run(signal) {
      const { status, body } = await reach(name, () => kube.raw("GET", "/version", signal));
      if (status !== 200)
        throw failedCheck(name, `the Kubernetes API answers /version with HTTP status ${status}: check the kubeconfig`);
      const { major = "", minor = "", gitVersion = "" } = JSON.parse(body) as Record<string, string | undefined>;
      if (Number(major) === 1 && Number.parseInt(minor, 10) < MINOR_MIN)
        throw failedCheck(
          name,
          `the cluster is Kubernetes ${gitVersion}, and 1.${MINOR_MIN} or later is needed: upgrade it first`,
        );
      return gitVersion;
    },
  };
}

async function reach<T>(name: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw failedCheck(
      name,
      `${toError(error).message}: is Kubernetes installed and running? try: kubectl cluster-info`,
      error,
    );
  }
}

export function readyNodeCheck(kube: KubeClient): Check {
  const name = "ready node";
  return {
    name,
    async run(signal) {
      const { items } = await kube.list(NODES, { limit: PAGE_MAX }, signal);
      const ready = items.filter(
        (node) => isReady(node) && node.metadata?.labels?.["node-role.kubernetes.io/edge"] === undefined,
      );
      if (ready.length === 0)
        throw failedCheck(
          name,
          `none of the cluster's ${items.length} nodes is ready to run cloudcore: see kubectl get nodes and kubectl describe node`,
        );
      const free = ready.filter(({ spec }) => !(spec?.taints ?? []).some(keepsPodsOff));
      if (free.length === 0)
        throw failedCheck(
          name,
          `all ready nodes are tainted NoSchedule, as a control plane without workers is: run kubectl taint nodes --all node-role.kubernetes.io/control-plane-, or --set cloudCore.tolerations`,
        );
      return `${free.length} of ${items.length}`;
    },
  };
}

/** Of a node that has just become ready the cluster takes these away in a moment. */
const PASSING_TAINTS = new Set(["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]);

function keepsPodsOff({ key, effect }: Taint): boolean {
  return (effect === "NoSchedule" || effect === "NoExecute") && !PASSING_TAINTS.has(key);
}

function isReady({ status }: Node): boolean {
  return status?.conditions?.some(({ type, status: state }) => type === "Ready" && state === "True") === true;
}

export function dnsPodCheck(kube: KubeClient): Check {
  const name = "cluster DNS";
  return {
    name,
    async run(signal) {
      const { items } = await kube.list(
        PODS,
        { namespace: "kube-system", labelSelector: "k8s-app in (kube-dns,coredns)", limit: PAGE_MAX },
        signal,
      );
      const ready = items.find(({ status }) =>
        status?.conditions?.some(({ type, status: state }) => type === "Ready" && state === "True"),
      );
      if (ready !== undefined) return ready.metadata?.name ?? "ready";
      throw failedCheck(
        name,
        `no pod of CoreDNS or kube-dns is ready in kube-system: see kubectl -n kube-system get pods -l k8s-app=kube-dns`,
      );
    },
  };
}

interface Right {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
}

const RIGHTS: readonly Right[] = [
  { verb: "list", group: "", resource: "nodes" },
  { verb: "list", group: "", resource: "pods" },
  { verb: "create", group: "", resource: "namespaces" },
  { verb: "create", group: "apiextensions.k8s.io", resource: "customresourcedefinitions" },
  { verb: "create", group: "rbac.authorization.k8s.io", resource: "clusterroles" },
  { verb: "create", group: "rbac.authorization.k8s.io", resource: "clusterrolebindings" },
  { verb: "create", group: "apps", resource: "deployments" },
];

interface AccessReview extends KubeObject {
  status?: { allowed?: boolean };
}

export function rightsCheck(kube: KubeClient): Check {
  const name = "rights in the cluster";
  return {
    name,
    async run(signal) {
      for (const { verb, group, resource } of RIGHTS) {
        const body = {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SelfSubjectAccessReview",
          spec: { resourceAttributes: { verb, group, resource } },
        };
        const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        const { status, body: text } = await kube.raw("POST", path, signal, body);
        const allowed = status < 300 && (JSON.parse(text) as AccessReview).status?.allowed === true;
        if (!allowed)
          throw failedCheck(
            name,
            `this kubeconfig may not ${verb} ${resource}: use one with cluster-admin; see kubectl auth can-i ${verb} ${resource}`,
          );
      }
      return "enough";
    },
  };
}
