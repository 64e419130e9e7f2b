import { isJsonObject, type KubeObject, type LabelSelector, requirementsOf, formatLabelSelector } from "@kedge/kube";
import { type ApiResponse, jsonResponse } from "../../http/api-exchange.ts";
import type { ScalePaths } from "../../resources/resource-definition.ts";
import type { StoredObject } from "../../storage/stored-object.ts";
import type { ApiContext } from "../api-context.ts";
import { asVersion } from "../as-version.ts";
import { decodeBody, contentTypeOf } from "../decode-body.ts";
import { applied, patchReader } from "../patch-object.ts";
import type { ResourceRequest } from "../resource-request.ts";
import { badRequest, invalid, methodNotAllowed } from "../status-error.ts";
import { existing, replaceObject } from "../update-object.ts";
import { isDryRun } from "../write-options.ts";

interface Scale extends KubeObject {
  readonly spec?: { readonly replicas?: number };
  readonly status: { readonly replicas: number; readonly selector?: string };
}

/** `…/<name>/scale` as `autoscaling/v1` Scale: how many replicas, whatever the kind. */
export async function handleScale(context: ApiContext, request: ResourceRequest): Promise<ApiResponse> {
  const { definition, http, info } = request;
  const paths = definition.scale;
  if (paths === undefined) throw methodNotAllowed(definition.type);
  if (info.verb === "get") return jsonResponse(200, scaleOf(existing(context.log, request), paths));
  const next = scaleReader(request);
  const stored = await context.log.write(
    (writer) => {
      const current = existing(writer, request);
      const scale = next(scaleOf(current, paths));
      const replicas = scale.spec?.replicas ?? 0;
      if (!Number.isSafeInteger(replicas) || replicas < 0)
        throw invalid({ group: "autoscaling", kind: "Scale" }, info.name, [
          {
            field: "spec.replicas",
            reason: "FieldValueInvalid",
            message: `Invalid value: ${JSON.stringify(replicas)}: must be greater than or equal to 0`,
          },
        ]);
      const object = asVersion(current, definition);
      setAt(object, paths.specReplicasPath, replicas);
      const version = scale.metadata?.resourceVersion;
      object.metadata = { ...object.metadata, ...(version === undefined ? {} : { resourceVersion: version }) };
      return replaceObject(context, writer, request, current, object, "scale");
    },
    { dryRun: isDryRun(http.query) },
  );
  return jsonResponse(200, scaleOf(stored, paths));
}

function scaleReader(request: ResourceRequest): (present: Scale) => Scale {
  const { http, info, definition } = request;
  if (info.verb === "patch") {
    // Scale has no lists: a strategic merge patch of it is a merge patch.
    const patch = patchReader(contentTypeOf(http), { patchSchema: {} }, http.body);
    return (present) => applied(present, patch, request) as Scale;
  }
  if (info.verb !== "update") throw methodNotAllowed(definition.type);
  const body = decodeBody(http);
  if (!isJsonObject(body) || (body["kind"] ?? "Scale") !== "Scale") throw badRequest("the body must be a Scale");
  return () => body as unknown as Scale;
}

function scaleOf({ object }: StoredObject, paths: ScalePaths): Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata ?? {};
  const selector = selectorText(object, paths);
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: JSON.parse(JSON.stringify({ name, namespace, uid, resourceVersion, creationTimestamp })) as object,
    spec: { replicas: Number(getAt(object, paths.specReplicasPath) ?? 0) },
    status: {
      replicas: Number(getAt(object, paths.statusReplicasPath) ?? 0),
      ...(selector === undefined ? {} : { selector }),
    },
  };
}

function selectorText(object: KubeObject, { labelSelectorPath }: ScalePaths): string | undefined {
  const value = labelSelectorPath === undefined ? undefined : getAt(object, labelSelectorPath);
  if (typeof value === "string") return value; // custom resources keep the text form
  if (!isJsonObject(value)) return undefined;
  const plain = Object.values(value).every((member) => typeof member === "string"); // a ReplicationController's
  const selector = (plain ? { matchLabels: value } : value) as LabelSelector;
  return formatLabelSelector(requirementsOf(selector) ?? []);
}

/** Paths look like `.spec.replicas`. */
function segmentsOf(path: string): string[] {
  return path.split(".").filter((segment) => segment !== "");
}

function getAt(object: object, path: string): unknown {
  let value: unknown = object;
  for (const segment of segmentsOf(path)) {
    if (!isJsonObject(value) || !Object.hasOwn(value, segment)) return undefined;
    value = value[segment];
  }
  return value;
}

function setAt(object: object, path: string, value: number): void {
  const segments = segmentsOf(path);
  const last = segments.pop();
  let target = object as Record<string, unknown>;
  for (const segment of segments) {
    const child = Object.hasOwn(target, segment) ? target[segment] : undefined;
    const next = isJsonObject(child) ? child : {};
    target[segment] = next;
    target = next;
  }
  if (last !== undefined) target[last] = value;
}
