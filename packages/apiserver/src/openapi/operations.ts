import { apiVersionOf } from "@kedge/kube";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import { DELETE_OPTIONS, STATUS } from "./builtin-schemas.ts";

/** The schema of the body of every kind of patch: any object. */
export const PATCH = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
export const SCALE = "io.k8s.api.autoscaling.v1.Scale";

export interface OperationParameter {
  readonly name: string;
  readonly in: "path" | "query";
  readonly type: "string" | "integer" | "boolean";
}

/** One thing that can be asked of a resource, in no version of OpenAPI yet. */
export interface Operation {
  readonly method: "get" | "post" | "put" | "patch" | "delete";
  /** `x-kubernetes-action` */
  readonly action: string;
  readonly id: string;
  readonly tag: string;
  readonly gvk: { readonly group: string; readonly version: string; readonly kind: string };
  readonly parameters: readonly OperationParameter[];
  /** Name of the body's schema, and its media types. */
  readonly body: { readonly schema: string; readonly types: readonly string[] } | undefined;
  /** Name of the answer's schema. */
  readonly answer: string;
}

export interface PathOperations {
  readonly path: string;
  readonly parameters: readonly OperationParameter[];
  readonly operations: readonly Operation[];
}

const JSON_YAML = ["application/json", "application/yaml"];
const PATCHES = ["application/json-patch+json", "application/merge-patch+json"];
const STRATEGIC = "application/strategic-merge-patch+json";
const APPLY = "application/apply-patch+yaml";

function query(name: string, type: OperationParameter["type"] = "string"): OperationParameter {
  return { name, in: "query", type };
}

const NAME: OperationParameter = { name: "name", in: "path", type: "string" };
const NAMESPACE: OperationParameter = { name: "namespace", in: "path", type: "string" };
const PRETTY = query("pretty");
const DRY_RUN = query("dryRun");
const WRITE = [DRY_RUN, query("fieldManager"), query("fieldValidation")];
const LIST = [
  query("allowWatchBookmarks", "boolean"),
  query("continue"),
  query("fieldSelector"),
  query("labelSelector"),
  query("limit", "integer"),
  query("resourceVersion"),
  query("resourceVersionMatch"),
  query("sendInitialEvents", "boolean"),
  query("timeoutSeconds", "integer"),
  query("watch", "boolean"),
];
const DELETE = [
  DRY_RUN,
  query("gracePeriodSeconds", "integer"),
  query("orphanDependents", "boolean"),
  query("propagationPolicy"),
];

/** The paths of one resource; empty for what is not published. */
export function pathsOf(definition: ResourceDefinition): PathOperations[] {
  const { type, published, hasStatus, scale } = definition;
  if (published === undefined) return [];
  const root = type.group === "" ? `/api/${type.version}` : `/apis/${apiVersionOf(type)}`;
  const scope = type.namespaced ? "/namespaces/{namespace}" : "";
  const item = `${root}${scope}/${type.resource}/{name}`;
  const place = type.namespaced ? [NAMESPACE, PRETTY] : [PRETTY];
  const make = operationMaker(definition);
  const { name } = published;
  const paths: PathOperations[] = [
    {
      path: `${root}${scope}/${type.resource}`,
      parameters: place,
      operations: [
        make("get", "list", "", { parameters: LIST, answer: `${name}List` }),
        make("post", "post", "", { parameters: WRITE, body: { schema: name, types: JSON_YAML }, answer: name }),
        make("delete", "deletecollection", "", {
          parameters: [...LIST, ...DELETE],
          body: { schema: DELETE_OPTIONS, types: JSON_YAML },
          answer: STATUS,
        }),
      ],
    },
    {
      path: item,
      parameters: [NAME, ...place],
      operations: [
        ...readWrite(make, "", name, definition.patchSchema !== undefined),
        make("delete", "delete", "", {
          parameters: DELETE,
          body: { schema: DELETE_OPTIONS, types: JSON_YAML },
          answer: STATUS,
        }),
      ],
    },
  ];
  if (type.namespaced)
    paths.push({
      path: `${root}/${type.resource}`,
      parameters: [PRETTY],
      operations: [make("get", "list", "ForAllNamespaces", { parameters: LIST, answer: `${name}List` })],
    });
  if (hasStatus)
    paths.push({
      path: `${item}/status`,
      parameters: [NAME, ...place],
      operations: readWrite(make, "Status", name, definition.patchSchema !== undefined),
    });
  if (scale !== undefined)
    paths.push({
      path: `${item}/scale`,
      parameters: [NAME, ...place],
      operations: readWrite(make, "Scale", SCALE, true),
    });
  return paths.map((each) => ({
    ...each,
    operations: each.operations.filter(({ action }) => definition.verbs.includes(VERB_OF[action] ?? action)),
  }));
}

const VERB_OF: Readonly<Record<string, string>> = { post: "create", put: "update" };

type Make = (
  method: Operation["method"],
  action: string,
  suffix: string,
  rest: { parameters?: readonly OperationParameter[]; body?: NonNullable<Operation["body"]>; answer: string },
) => Operation;

function operationMaker({ type }: ResourceDefinition): Make {
  const group = type.group === "" ? "core" : type.group.replace(/\.(k8s\.io|authorization\.k8s\.io)$/, "");
  const title = (text: string) =>
    text.replaceAll(/(^|[.\-_])([a-zA-Z])/g, (_all, _dot, letter: string) => letter.toUpperCase());
  const noun = `${title(group)}${title(type.version)}${type.namespaced ? "Namespaced" : ""}${type.kind}`;
  const verbs: Readonly<Record<string, string>> = {
    get: "read",
    post: "create",
    put: "replace",
    deletecollection: "deleteCollection",
  };
  return (method, action, suffix, { parameters = [], body, answer }) => ({
    method,
    action,
    id: `${verbs[action] ?? action}${noun}${suffix}`,
    tag: `${title(group).toLowerCase()}_${type.version}`,
    gvk:
      suffix === "Scale"
        ? { group: "autoscaling", version: "v1", kind: "Scale" }
        : { group: type.group, version: type.version, kind: type.kind },
    parameters,
    body,
    answer,
  });
}

function readWrite(make: Make, suffix: string, schema: string, strategic: boolean): Operation[] {
  const types = [...PATCHES, ...(strategic ? [STRATEGIC] : []), APPLY];
  return [
    make("get", "get", suffix, { answer: schema }),
    make("put", "put", suffix, { parameters: WRITE, body: { schema, types: JSON_YAML }, answer: schema }),
    make("patch", "patch", suffix, {
      parameters: [...WRITE, query("force", "boolean")],
      body: { schema: PATCH, types },
      answer: schema,
    }),
  ];
}
