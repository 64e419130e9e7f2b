import { type Container, type Pod, SERVICE_ACCOUNTS, type ServiceAccount, type Volume } from "@kedge/kube";
import { randomName } from "../rest/random-name.ts";
import { forbidden } from "../rest/status-error.ts";
import { storageKey } from "../storage/object-key.ts";
import type { Admission } from "./admit.ts";

const MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
/** An hour and a few seconds, so that nobody else's one-hour token is taken for one of these. */
const TOKEN_SECONDS = 3607;
const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";

/** Gives a pod its service account, and a token of it in every container unless pod or account declines. */
export function setPodServiceAccount({ writer, request }: Admission, pod: Pod): void {
  const { spec, metadata } = pod;
  if (spec === undefined) return;
  if (metadata?.annotations?.[MIRROR_ANNOTATION] !== undefined) return checkMirror(request, pod);
  const name = spec.serviceAccountName ?? "";
  spec.serviceAccountName = name === "" ? "default" : name;
  spec.serviceAccount = spec.serviceAccountName;
  const { namespace } = request.info;
  const stored = writer.get(storageKey(SERVICE_ACCOUNTS, { namespace, name: spec.serviceAccountName }));
  if (stored === undefined)
    throw forbidden(
      request.definition.type,
      metadata?.name ?? "",
      `error looking up service account ${namespace}/${spec.serviceAccountName}: serviceaccount "${spec.serviceAccountName}" not found`,
    );
  const account = stored.object as ServiceAccount;
  if ((spec.imagePullSecrets ?? []).length === 0 && (account.imagePullSecrets ?? []).length > 0)
    spec.imagePullSecrets = (account.imagePullSecrets ?? []).map((reference) => ({ ...reference }));
  if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(pod);
}

/**
 * A static pod's copy: its node runs it, whatever we think, so nothing is added. Nor may it name an account: its node
 * would get that account's tokens.
 */
function checkMirror({ definition }: Admission["request"], { spec, metadata }: Pod): void {
  const refuse = (why: string) => forbidden(definition.type, metadata?.name ?? "", why);
  if ((spec?.serviceAccountName ?? "") !== "") throw refuse("a mirror pod may not reference service accounts");
  for (const { projected } of spec?.volumes ?? [])
    if (projected?.sources?.some(({ serviceAccountToken }) => serviceAccountToken !== undefined) === true)
      throw refuse("a mirror pod may not use ServiceAccountToken volume projections");
}

function mountToken({ spec }: Pod): void {
  if (spec === undefined) return;
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const needy = containers.filter((container) => !mounts(container));
  if (needy.length === 0) return;
  const volumes = (spec.volumes ??= []);
  const name =
    volumes.find((volume) => volume.name.startsWith("kube-api-access-"))?.name ?? randomName("kube-api-access-");
  if (!volumes.some((volume) => volume.name === name)) volumes.push(tokenVolume(name));
  for (const container of needy) (container.volumeMounts ??= []).push({ name, readOnly: true, mountPath: MOUNT_PATH });
}

function mounts({ volumeMounts = [] }: Container): boolean {
  return volumeMounts.some(({ mountPath }) => mountPath === MOUNT_PATH);
}

function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: "token" } },
        { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
        {
          downwardAPI: {
            items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }],
          },
        },
      ],
    },
  };
}
