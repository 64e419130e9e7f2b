import { isJsonObject, type KubeObject, NODES, type Pod, PODS, SECRETS, type TokenRequest } from "@kedge/kube";
import type { BoundObject } from "../../auth/service-account-tokens.ts";
import { TOKEN_ISSUER, TOKEN_SECONDS_MAX, TOKEN_SECONDS_MIN } from "../../auth/service-account-tokens.ts";
import { type ApiResponse, jsonResponse } from "../../http/api-exchange.ts";
import type { FieldError } from "../../resources/resource-definition.ts";
import { storageKey } from "../../storage/object-key.ts";
import type { ApiContext } from "../api-context.ts";
import { decodeBody } from "../decode-body.ts";
import type { ResourceRequest } from "../resource-request.ts";
import { badRequest, conflict, invalid, notFound } from "../status-error.ts";
import { timestamp } from "../timestamp.ts";
import { existing } from "../update-object.ts";

const TOKEN_SECONDS_DEFAULT = 3600;
/** Of one token. */
const AUDIENCES_MAX = 32;

/** `POST serviceaccounts/<name>/token`: a token for the account, best bound to the pod that will use it. */
export async function issueToken(context: ApiContext, request: ResourceRequest): Promise<ApiResponse> {
  const { http, info } = request;
  const body = decodeBody(http);
  if (!isJsonObject(body)) throw badRequest("the body must be a TokenRequest");
  const { spec } = body as unknown as Partial<TokenRequest>;
  const audiences = spec?.audiences ?? [];
  const seconds = spec?.expirationSeconds ?? TOKEN_SECONDS_DEFAULT;
  const errors: FieldError[] = [];
  if (!Number.isSafeInteger(seconds) || seconds < TOKEN_SECONDS_MIN)
    errors.push({
      field: "spec.expirationSeconds",
      reason: "FieldValueInvalid",
      message: `Invalid value: ${JSON.stringify(seconds)}: may not specify a duration less than 10 minutes`,
    });
  if (!Array.isArray(audiences) || audiences.length > AUDIENCES_MAX || audiences.some((one) => typeof one !== "string"))
    errors.push({
      field: "spec.audiences",
      reason: "FieldValueInvalid",
      message: `Invalid value: must be at most ${AUDIENCES_MAX} texts`,
    });
  if (errors.length > 0) throw invalid({ group: "authentication.k8s.io", kind: "TokenRequest" }, "", errors);
  const account = existing(context.log, request).object;
  const bound = spec?.boundObjectRef && boundObject(context, request, spec.boundObjectRef);
  const { token, expiresAtMs } = await context.tokens.issue(
    {
      namespace: info.namespace,
      serviceAccount: info.name,
      serviceAccountUid: account.metadata?.uid ?? "",
      bound,
    },
    audiences,
    Math.min(seconds, TOKEN_SECONDS_MAX),
  );
  return jsonResponse(201, {
    kind: "TokenRequest",
    apiVersion: "authentication.k8s.io/v1",
    metadata: { name: info.name, namespace: info.namespace, creationTimestamp: timestamp(context.clock.now()) },
    spec: {
      ...spec,
      audiences: audiences.length === 0 ? [TOKEN_ISSUER] : audiences,
      expirationSeconds: Math.min(seconds, TOKEN_SECONDS_MAX),
    },
    status: { token, expirationTimestamp: timestamp(expiresAtMs) },
  });
}

const BINDABLE = { Pod: PODS, Secret: SECRETS, Node: NODES };

/** The object that the token is to die with; it must be there, and a pod must run as this account. */
function boundObject(
  { log }: ApiContext,
  { info }: ResourceRequest,
  { kind, name = "", uid = "" }: { kind?: string; name?: string; uid?: string },
): BoundObject {
  if (kind !== "Pod" && kind !== "Secret" && kind !== "Node")
    throw badRequest(
      `cannot bind token to object of type ${JSON.stringify(kind)}: it must be a Pod, a Secret or a Node`,
    );
  const type = BINDABLE[kind];
  const object: KubeObject | undefined = log.get(
    storageKey(type, kind === "Node" ? { name } : { namespace: info.namespace, name }),
  )?.object;
  if (object === undefined) throw notFound(type, name);
  const actual = object.metadata?.uid ?? "";
  if (uid !== "" && uid !== actual)
    throw conflict(
      type,
      name,
      `the UID in the bound object reference (${uid}) does not match the UID in record (${actual}). The object might have been deleted and then recreated`,
    );
  if (kind !== "Pod") return { kind, name, uid: actual };
  const { spec } = object as Pod;
  if (spec?.serviceAccountName !== info.name)
    throw badRequest(
      `cannot bind token for serviceaccount "${info.name}" to pod running with different serviceaccount name.`,
    );
  const { nodeName = "" } = spec;
  if (nodeName === "") return { kind, name, uid: actual };
  const node = log.get(storageKey(NODES, { name: nodeName }))?.object;
  return { kind, name, uid: actual, node: { name: nodeName, ...(node?.metadata?.uid && { uid: node.metadata.uid }) } };
}
