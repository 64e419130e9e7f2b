import { controllerReference, keyOf, PERSISTENT_VOLUME_CLAIMS, PODS } from "@kedge/kube";
import type { ReconcileResult } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";
import type { ControllerContext } from "../controller-deps.ts";
import { ControllerLoop } from "../controller-loop.ts";
import { isPodActive } from "../pods/pod-state.ts";
import { isOwnClaim } from "./pod-claims.ts";

/** Makes the claims of pods that bring their own: `<pod>-<volume>`, which belong to the pod and go with it. */
export function startEphemeralController(context: ControllerContext): ControllerLoop {
  const { kube, informers } = context;
  const { pods, claims } = informers;
  const recorder = context.recorder("ephemeral-volume");

  async function reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const pod = pods.get(key);
    if (pod === undefined || !isPodActive(pod)) return {};
    const { namespace = "", name: podName = "" } = pod.metadata ?? {};
    for (const { name: volume, ephemeral } of pod.spec?.volumes ?? []) {
      const template = ephemeral?.volumeClaimTemplate;
      if (template === undefined) continue;
      const name = `${podName}-${volume}`;
      const present = claims.get({ namespace, name });
      if (present !== undefined) {
        if (isOwnClaim(present, pod)) continue;
        const message = `PVC ${namespace}/${name} was not created for the pod ${namespace}/${podName} (pod is not owner)`;
        recorder.record(PODS, pod, "Warning", "EphemeralVolumeCreationFailed", message);
        continue;
      }
      const { labels, annotations } = template.metadata ?? {};
      const metadata = {
        namespace,
        name,
        ...(labels !== undefined && { labels }),
        ...(annotations !== undefined && { annotations }),
        ownerReferences: [controllerReference(pod, PODS)],
      };
      await kube.create(PERSISTENT_VOLUME_CLAIMS, { metadata, spec: template.spec }, signal).catch((error: unknown) => {
        if (!hasCode(error, "AlreadyExists")) throw error; // our cache is behind
      });
    }
    return {};
  }

  const loop = new ControllerLoop("ephemeral-volume", context, [pods, claims], reconcile);
  loop.on(pods, (old, pod) =>
    old === undefined && pod?.spec?.volumes?.some(({ ephemeral }) => ephemeral !== undefined) === true
      ? [keyOf(pod)]
      : [],
  );
  return loop;
}
