import { existsSync } from "node:fs";
import { CONFIG_MAPS } from "@kedge/kube";
import { type Finding, found, hasCode } from "@kedge/runtime";
import { type CloudFacts, NEEDS_API, NEEDS_CONFIG } from "./cloud-facts.ts";

const PUBLISHED = { namespace: "kube-system", name: "extension-apiserver-authentication" };

/** Whether the cluster can see into nodes: who calls is known, certificates are whole, and nodes have their tunnels. */
export async function checkStreams({ config, kube, monitor }: CloudFacts, signal: AbortSignal): Promise<Finding> {
  if (config === undefined) return found.skipped(NEEDS_CONFIG);
  const { cloudStream, iptablesManager } = config.modules;
  if (!cloudStream.enable)
    return found.warning(
      "modules.cloudStream is off: no kubectl logs, exec, top",
      "set modules.cloudStream.enable: true",
    );
  const { tlsStreamCertFile: cert, tlsStreamPrivateKeyFile: key, tlsStreamCAFile: ca } = cloudStream;
  if (existsSync(cert) !== existsSync(key)) {
    const [there, missing] = existsSync(cert) ? [cert, key] : [key, cert];
    return found.failed(
      `${there} is there but ${missing} is not, so neither is used`,
      "put the other one there, too, or remove it: cloudcore then shows a certificate of its own",
    );
  }
  if (!existsSync(ca)) {
    if (kube === undefined) return found.skipped(NEEDS_API);
    if (!(await isPublished(kube, signal)))
      return found.failed(
        `who may call nodes is not known: ConfigMap ${PUBLISHED.namespace}/${PUBLISHED.name} has no client-ca-file`,
        `start kube-apiserver with --client-ca-file, or put the CA of its --kubelet-client-certificate into ${ca}`,
      );
  }
  const figure = (name: string) => Number(new RegExp(`^${name} (\\d+)`, "m").exec(monitor?.metrics ?? "")?.[1] ?? 0);
  const [tunnels, nodes] = [figure("kedge_cloudstream_tunnels"), figure("KubeEdge_CloudHub_connected_nodes")];
  const way = iptablesManager.enable
    ? "KubeEdge's way: an iptables manager must lead to port 10003"
    : `nodes are reached at ${cloudStream.nodeAddress || cloudStream.address.replace(/^[0:.]*$/, "this host's address")}`;
  if (tunnels < nodes)
    return found.warning(
      `${nodes - tunnels} of ${nodes} connected nodes have no tunnel; ${way}`,
      `on such a host set modules.edgeStream.enable: true and edgeStream.server to this host's port ${cloudStream.tunnelPort}, and run: edgecore doctor`,
    );
  return found.ok(`${tunnels} ${tunnels === 1 ? "node has its tunnel" : "nodes have their tunnels"} here; ${way}`);
}

async function isPublished(kube: NonNullable<CloudFacts["kube"]>, signal: AbortSignal): Promise<boolean> {
  try {
    const { data } = await kube.get(CONFIG_MAPS, PUBLISHED, signal);
    return (data?.["client-ca-file"] ?? "") !== "";
  } catch (error) {
    if (hasCode(error, "NotFound")) return false;
    throw error;
  }
}
