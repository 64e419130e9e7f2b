import { isJsonObject } from "@kedge/kube";
import type { Attributes } from "../auth/policy-rule.ts";
import { TOKEN_ISSUER } from "../auth/service-account-tokens.ts";
import { GROUP_AUTHENTICATED, type UserInfo } from "../auth/user-info.ts";
import { type ApiResponse, jsonResponse } from "../http/api-exchange.ts";
import type { ApiContext } from "./api-context.ts";
import { checkReviewSpec } from "./check-review-spec.ts";
import { decodeBody } from "./decode-body.ts";
import type { ResourceRequest } from "./resource-request.ts";
import { badRequest } from "./status-error.ts";
import { timestamp } from "./timestamp.ts";

interface AccessSpec {
  readonly resourceAttributes?: {
    readonly verb?: string;
    readonly group?: string;
    readonly version?: string;
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly nonResourceAttributes?: { readonly path?: string; readonly verb?: string };
  readonly user?: string;
  readonly groups?: readonly string[];
  readonly uid?: string;
}

type Review = (context: ApiContext, request: ResourceRequest, spec: never) => object | Promise<object>;

/** Questions about who somebody is and may do: created, answered, never stored. */
const REVIEWS: Readonly<Record<string, Review>> = {
  selfsubjectaccessreviews: (context, { http }, spec: AccessSpec) => decide(context, http.user, spec),
  subjectaccessreviews: (context, _request, spec: AccessSpec) => decide(context, subjectOf(spec), spec),
  localsubjectaccessreviews: (context, { info }, spec: AccessSpec) => {
    if (spec.resourceAttributes?.namespace !== info.namespace)
      throw badRequest("spec.resourceAttributes.namespace must match metadata.namespace");
    return decide(context, subjectOf(spec), spec);
  },
  selfsubjectrulesreviews: (context, { http }, { namespace = "" }: { namespace?: string }) => {
    const rules = context.authorizer.rulesOf(http.user, namespace);
    return {
      resourceRules: rules
        .filter(({ resources }) => resources !== undefined)
        .map(({ verbs, apiGroups, resources, resourceNames }) => ({ verbs, apiGroups, resources, resourceNames })),
      nonResourceRules: rules
        .filter(({ nonResourceURLs }) => nonResourceURLs !== undefined)
        .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
      incomplete: false,
    };
  },
  selfsubjectreviews: (_context, { http }) => ({ userInfo: userInfo(http.user) }),
  tokenreviews: async (context, _request, spec: { token?: string; audiences?: string[] }) => {
    const verified = await context.tokens.verify(spec.token ?? "", spec.audiences ?? [TOKEN_ISSUER]);
    if (verified === undefined)
      return { authenticated: false, user: {}, error: "the token is not valid, or what it is bound to is gone" };
    return { authenticated: true, user: userInfo(verified.user), audiences: verified.audiences };
  },
};

const REVIEW_GROUPS: ReadonlySet<string> = new Set(["authentication.k8s.io", "authorization.k8s.io"]);

export function isReview(group: string, resource: string): boolean {
  return REVIEW_GROUPS.has(group) && Object.hasOwn(REVIEWS, resource);
}

/** `POST` of a review: the same object with its answer. */
export async function answerReview(context: ApiContext, request: ResourceRequest): Promise<ApiResponse> {
  const { type } = request.definition;
  const body = decodeBody(request.http);
  if (!isJsonObject(body)) throw badRequest(`the body must be a ${type.kind}`);
  const spec = body["spec"] ?? {};
  if (!isJsonObject(spec)) throw badRequest("spec must be an object");
  checkReviewSpec(spec);
  const status = await REVIEWS[type.resource]?.(context, request, spec as never);
  return jsonResponse(201, {
    kind: type.kind,
    apiVersion: `${type.group}/${type.version}`,
    metadata: { creationTimestamp: timestamp(context.clock.now()) },
    spec,
    status,
  });
}

function decide({ authorizer }: ApiContext, user: UserInfo, spec: AccessSpec): object {
  const { resourceAttributes, nonResourceAttributes } = spec;
  if ((resourceAttributes === undefined) === (nonResourceAttributes === undefined))
    throw badRequest("exactly one of spec.resourceAttributes and spec.nonResourceAttributes is needed");
  const attributes: Attributes = {
    ...resourceAttributes,
    verb: (resourceAttributes ?? nonResourceAttributes)?.verb ?? "",
    ...(nonResourceAttributes === undefined ? {} : { path: nonResourceAttributes.path ?? "" }),
  };
  const { allowed, reason } = authorizer.authorize(user, attributes);
  return { allowed, ...(reason === "" ? {} : { reason }) };
}

function subjectOf({ user = "", groups = [], uid }: AccessSpec): UserInfo {
  if (user === "" && groups.length === 0) throw badRequest("at least one of spec.user and spec.groups is needed");
  return { username: user, groups, ...(uid === undefined ? {} : { uid }) };
}

function userInfo({ username, uid, groups, extra }: UserInfo): object {
  const all = groups.includes(GROUP_AUTHENTICATED) ? groups : [...groups, GROUP_AUTHENTICATED];
  return { username, groups: all, ...(uid === undefined ? {} : { uid }), ...(extra === undefined ? {} : { extra }) };
}
