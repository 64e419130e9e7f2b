import { apiVersionOf, KubeApiError, type KubeObject, type ResourceType } from "@kedge/kube";
import type { UserInfo } from "./auth/user-info.ts";
import { type BootstrapFacts, bootstrapObjects, currentObjects } from "./bootstrap-objects.ts";
import type { ApiContext } from "./rest/api-context.ts";
import { respond } from "./http/respond.ts";

/** Makes what a cluster begins with, where it is not there, and writes down where the server is now. */
export async function bootstrapCluster(context: ApiContext, user: UserInfo, facts: BootstrapFacts): Promise<void> {
  for (const object of bootstrapObjects(facts)) await send(context, user, "POST", object, [201, 409]);
  for (const object of currentObjects(facts)) await send(context, user, "PUT", object, [200]);
}

async function send(
  context: ApiContext,
  user: UserInfo,
  method: "POST" | "PUT",
  object: KubeObject,
  expected: readonly number[],
): Promise<void> {
  const type = typeOf(context, object);
  const { namespace, name = "" } = object.metadata ?? {};
  const root = type.group === "" ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`;
  const home = namespace === undefined ? root : `${root}/namespaces/${namespace}`;
  const path = `${home}/${type.resource}${method === "PUT" ? `/${encodeURIComponent(name)}` : ""}`;
  const response = await respond(context, {
    method,
    path,
    query: new URLSearchParams(),
    headers: {},
    body: Buffer.from(JSON.stringify(object)),
    user,
    signal: new AbortController().signal,
  });
  if (!expected.includes(response.status)) throw new KubeApiError(JSON.parse(response.body as string) as object);
}

function typeOf({ registry }: ApiContext, object: KubeObject): ResourceType {
  for (const { type } of registry.all())
    if (type.kind === object.kind && apiVersionOf(type) === object.apiVersion) return type;
  throw new Error(`nothing serves ${String(object.apiVersion)} ${String(object.kind)}`);
}
