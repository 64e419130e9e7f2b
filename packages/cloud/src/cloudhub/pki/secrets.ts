import { NAMESPACES, type Secret, SECRETS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";
import type { DerPair } from "./certificate-authority.ts";
import { PkiError } from "./pki-error.ts";

/** Where KubeEdge keeps what CloudCore must not lose. */
export const KUBEEDGE_NAMESPACE = "kubeedge";
export const CA_SECRET = { name: "casecret", certificate: "cadata", key: "cakeydata" } as const;
export const SERVER_SECRET = {
  name: "cloudcoresecret",
  certificate: "cloudcoredata",
  key: "cloudcorekeydata",
} as const;

export async function ensureNamespace(kube: KubeClient, signal: AbortSignal): Promise<void> {
  try {
    await kube.create(NAMESPACES, { metadata: { name: KUBEEDGE_NAMESPACE } }, signal);
  } catch (error) {
    if (!hasCode(error, "AlreadyExists")) throw error;
  }
}

export type PairSecret = typeof CA_SECRET | typeof SERVER_SECRET;

/** @returns `undefined` if there is no such Secret. @throws {PkiError} `HalfPair` */
export async function readPairSecret(
  { name, certificate, key }: PairSecret,
  kube: KubeClient,
  signal: AbortSignal,
): Promise<DerPair | undefined> {
  let secret: Secret;
  try {
    secret = await kube.get(SECRETS, { namespace: KUBEEDGE_NAMESPACE, name }, signal);
  } catch (error) {
    if (hasCode(error, "NotFound")) return undefined;
    throw error;
  }
  const [certificateData, keyData] = [secret.data?.[certificate] ?? "", secret.data?.[key] ?? ""];
  if (certificateData === "" && keyData === "") return undefined;
  if (certificateData === "" || keyData === "") {
    const [present, missing] = keyData === "" ? [certificate, key] : [key, certificate];
    throw new PkiError(`Secret ${KUBEEDGE_NAMESPACE}/${name} holds ${present} but not ${missing}`, {
      code: "HalfPair",
      present,
      missing,
    });
  }
  return { certificate: Buffer.from(certificateData, "base64"), key: Buffer.from(keyData, "base64") };
}

function pairData({ certificate, key }: PairSecret, pair: DerPair): Record<string, string> {
  return { [certificate]: pair.certificate.toString("base64"), [key]: pair.key.toString("base64") };
}

/** @returns false if it is there already. */
export async function createPair(
  names: PairSecret,
  pair: DerPair,
  kube: KubeClient,
  signal: AbortSignal,
): Promise<boolean> {
  return createSecret(kube, names.name, pairData(names, pair), signal);
}

export async function savePair(names: PairSecret, pair: DerPair, kube: KubeClient, signal: AbortSignal): Promise<void> {
  await saveSecret(kube, names.name, pairData(names, pair), signal);
}

/** @param data base64. @returns false if it is there already. */
async function createSecret(
  kube: KubeClient,
  name: string,
  data: Record<string, string>,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await kube.create(SECRETS, { metadata: { namespace: KUBEEDGE_NAMESPACE, name }, type: "Opaque", data }, signal);
    return true;
  } catch (error) {
    if (hasCode(error, "AlreadyExists")) return false;
    throw error;
  }
}

/** Creates the Secret, or sets these keys of it. @param data base64. */
export async function saveSecret(
  kube: KubeClient,
  name: string,
  data: Record<string, string>,
  signal: AbortSignal,
): Promise<void> {
  if (await createSecret(kube, name, data, signal)) return;
  const key = { namespace: KUBEEDGE_NAMESPACE, name };
  await kube.patch(SECRETS, key, { type: "merge", body: { data } }, signal);
}
