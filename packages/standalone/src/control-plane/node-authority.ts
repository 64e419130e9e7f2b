import { X509Certificate } from "node:crypto";
import { SECRETS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";

/** KubeEdge's CA, which signs the certificate of the kubelet endpoints that cloudcore serves for nodes. */
const CA_SECRET = { namespace: "kubeedge", name: "casecret" };

/** @returns PEM; undefined: no cloudcore has been here yet. */
export async function nodeAuthority(kube: KubeClient): Promise<string | undefined> {
  try {
    const { data } = await kube.get(SECRETS, CA_SECRET, new AbortController().signal);
    const der = data?.["cadata"];
    return der === undefined ? undefined : new X509Certificate(Buffer.from(der, "base64")).toString();
  } catch (error) {
    if (hasCode(error, "NotFound")) return undefined;
    throw error;
  }
}
