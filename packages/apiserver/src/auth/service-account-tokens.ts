import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type KubeObject, NODES, PODS, SECRETS, SERVICE_ACCOUNTS } from "@kedge/kube";
import type { Clock } from "@kedge/runtime";
import { calculateJwkThumbprint, exportJWK, type JWK, type JWTPayload, jwtVerify, SignJWT } from "jose";
import { storageKey } from "../storage/object-key.ts";
import type { RevisionLog } from "../storage/revision-log.ts";
import { writeFileDurably } from "../tls/write-file.ts";
import { serviceAccountGroups, serviceAccountUsername, type UserInfo } from "./user-info.ts";

export const TOKEN_ISSUER = "https://kubernetes.default.svc.cluster.local";
export const TOKEN_SECONDS_MIN = 600;
/** A longer life may be asked for; this is what is given. */
export const TOKEN_SECONDS_MAX = 86_400;
/** Nothing longer is looked at. */
const TOKEN_CHARS_MAX = 8192;
const ALGORITHM = "ES256";

/** An object a token lives and dies with. */
export interface BoundObject {
  readonly kind: "Pod" | "Secret" | "Node";
  readonly name: string;
  readonly uid: string;
  /** Of a pod: the node it runs on. */
  readonly node?: { readonly name: string; readonly uid?: string | undefined } | undefined;
}

export interface TokenSubject {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly serviceAccountUid: string;
  readonly bound?: BoundObject | undefined;
}

export interface VerifiedToken {
  readonly user: UserInfo;
  /** Those asked for that the token is meant for. */
  readonly audiences: readonly string[];
}

interface Named {
  readonly name: string;
  readonly uid?: string;
}

interface KubernetesClaims {
  readonly namespace: string;
  readonly serviceaccount: Named;
  readonly pod?: Named;
  readonly secret?: Named;
  readonly node?: Named;
}

/** Issues and checks the tokens of service accounts: signed, with audience and end, void once their objects are gone. */
export class ServiceAccountTokens {
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #keyId: string;
  readonly #log: RevisionLog;
  readonly #clock: Clock;
  readonly #jwk: JWK;

  private constructor(privateKey: KeyObject, jwk: JWK, keyId: string, log: RevisionLog, clock: Clock) {
    this.#privateKey = privateKey;
    this.#publicKey = createPublicKey(privateKey);
    this.#jwk = jwk;
    this.#keyId = keyId;
    this.#log = log;
    this.#clock = clock;
  }

  /** Signs with `sa.key` in `folder`, made if there is none. */
  static async open(folder: string, log: RevisionLog, clock: Clock): Promise<ServiceAccountTokens> {
    const path = join(folder, "sa.key");
    if (!existsSync(path)) {
      const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      await writeFileDurably(path, privateKey.export({ type: "pkcs8", format: "pem" }).toString(), 0o600);
    }
    const privateKey = createPrivateKey(await readFile(path));
    const jwk = await exportJWK(createPublicKey(privateKey));
    return new ServiceAccountTokens(privateKey, jwk, await calculateJwkThumbprint(jwk), log, clock);
  }

  /** The public key, for whoever checks tokens elsewhere. */
  get keySet(): { readonly keys: readonly JWK[] } {
    return { keys: [{ ...this.#jwk, use: "sig", kid: this.#keyId, alg: ALGORITHM }] };
  }

  /** @param audiences none: the API server. */
  async issue(
    { namespace, serviceAccount, serviceAccountUid, bound }: TokenSubject,
    audiences: readonly string[],
    seconds: number,
  ): Promise<{ readonly token: string; readonly expiresAtMs: number }> {
    const issuedAt = Math.floor(this.#clock.now() / 1000);
    const expiresAt = issuedAt + seconds;
    const claims = {
      namespace,
      ...(bound?.node === undefined ? {} : { node: bound.node }),
      ...(bound === undefined ? {} : { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } }),
      serviceaccount: { name: serviceAccount, uid: serviceAccountUid },
    };
    const token = await new SignJWT({ "kubernetes.io": claims })
      .setProtectedHeader({ alg: ALGORITHM, kid: this.#keyId })
      .setIssuer(TOKEN_ISSUER)
      .setSubject(serviceAccountUsername(namespace, serviceAccount))
      .setAudience(audiences.length === 0 ? [TOKEN_ISSUER] : [...audiences])
      .setIssuedAt(issuedAt)
      .setNotBefore(issuedAt)
      .setExpirationTime(expiresAt)
      .setJti(randomUUID())
      .sign(this.#privateKey);
    return { token, expiresAtMs: expiresAt * 1000 };
  }

  /** @returns undefined: not a token of ours, over, for others, or its account or pod is gone. */
  async verify(token: string, audiences: readonly string[] = [TOKEN_ISSUER]): Promise<VerifiedToken | undefined> {
    if (token.length > TOKEN_CHARS_MAX) return undefined;
    let payload: JWTPayload;
    try {
      ({ payload } = await jwtVerify(token, this.#publicKey, {
        algorithms: [ALGORITHM],
        issuer: TOKEN_ISSUER,
        audience: [...audiences],
        requiredClaims: ["exp", "sub", "kubernetes.io"],
        currentDate: new Date(this.#clock.now()),
      }));
    } catch {
      return undefined; // whatever is wrong with it: nobody
    }
    const claims = payload["kubernetes.io"] as KubernetesClaims;
    if (!this.#alive(claims)) return undefined;
    const { namespace, serviceaccount, pod, node } = claims;
    const meant = [payload.aud ?? []].flat();
    const extra: Record<string, string[]> = {};
    if (payload.jti !== undefined) extra["authentication.kubernetes.io/credential-id"] = [`JTI=${payload.jti}`];
    if (pod !== undefined) extra["authentication.kubernetes.io/pod-name"] = [pod.name];
    if (pod?.uid !== undefined) extra["authentication.kubernetes.io/pod-uid"] = [pod.uid];
    if (node !== undefined) extra["authentication.kubernetes.io/node-name"] = [node.name];
    return {
      user: {
        username: serviceAccountUsername(namespace, serviceaccount.name),
        uid: serviceaccount.uid,
        groups: serviceAccountGroups(namespace),
        extra,
      },
      audiences: audiences.filter((audience) => meant.includes(audience)),
    };
  }

  #alive({ namespace, serviceaccount, pod, secret, node }: KubernetesClaims): boolean {
    const is = (object: KubeObject | undefined, { uid }: Named) => object !== undefined && object.metadata?.uid === uid;
    const find = (type: typeof PODS | typeof SECRETS | typeof SERVICE_ACCOUNTS, { name }: Named) =>
      this.#log.get(storageKey(type, { namespace, name }))?.object;
    if (!is(find(SERVICE_ACCOUNTS, serviceaccount), serviceaccount)) return false;
    if (pod !== undefined && !is(find(PODS, pod), pod)) return false;
    if (secret !== undefined && !is(find(SECRETS, secret), secret)) return false;
    // A token of a pod names its node for information; only a token bound to the node itself ends with it.
    const boundToNode = node !== undefined && pod === undefined;
    return !boundToNode || is(this.#log.get(storageKey(NODES, node))?.object, node);
  }
}
