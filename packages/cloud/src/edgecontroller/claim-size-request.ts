import { PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES } from "@kedge/kube";
import type { ClaimSize } from "@kedge/protocol";
import { badRequest, forbidden, type UpstreamHandler } from "./upstream-request.ts";

/** What a claim waits for while its volume grows on the node. */
const PENDING_CONDITIONS: ReadonlySet<string> = new Set(["FileSystemResizePending", "NodeResizeError"]);
const SHOWN_CHARS_MAX = 40;

/** Only edges of ours say it. */
export const reportClaimSize: UpstreamHandler = {
  may: "say that the volume of a claim that a pod on it uses has become as large as the cluster made it",
  answer: "ok",
  async run({ node, key, content }, { view, kube }, signal) {
    const { namespace = "", name } = key;
    if (!view.needs(node, "claim", `${namespace}/${name}`))
      throw forbidden(`node ${node} may not write claim ${namespace}/${name}: no pod on it uses it`);
    const { uid, storage } = (content ?? {}) as Partial<ClaimSize>;
    const claim = await kube.get(PERSISTENT_VOLUME_CLAIMS, { namespace, name }, signal);
    if (claim.metadata?.uid !== uid || typeof storage !== "string")
      throw badRequest(`claim ${namespace}/${name} is another one by now, or no size was told`);
    const volume = await kube.get(PERSISTENT_VOLUMES, { name: claim.spec?.volumeName ?? "" }, signal);
    if (volume.spec?.claimRef?.uid !== uid || volume.spec?.capacity?.["storage"] !== storage)
      throw badRequest(`the volume of claim ${namespace}/${name} is not of size ${storage.slice(0, SHOWN_CHARS_MAX)}`);
    const conditions = (claim.status?.conditions ?? []).filter(({ type }) => !PENDING_CONDITIONS.has(type));
    const status = { ...claim.status, capacity: { ...claim.status?.capacity, storage }, conditions };
    await kube.update(PERSISTENT_VOLUME_CLAIMS, { ...claim, status }, signal, { subresource: "status" });
    return undefined;
  },
};
