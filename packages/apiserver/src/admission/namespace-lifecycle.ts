import { randomUUID } from "node:crypto";
import { type Namespace, NAMESPACES, SERVICE_ACCOUNTS } from "@kedge/kube";
import type { ResourceRequest } from "../rest/resource-request.ts";
import { forbidden, notFound } from "../rest/status-error.ts";
import { timestamp } from "../rest/timestamp.ts";
import { storageKey } from "../storage/object-key.ts";
import type { Admission } from "./admit.ts";

const IMMORTAL_NAMESPACES: ReadonlySet<string> = new Set(["default", "kube-system", "kube-public"]);

/** New objects need a namespace that exists and is not on its way out. */
export function checkNamespaceOpen({ writer, request, object }: Admission): void {
  const { type } = request.definition;
  const { namespace } = request.info;
  if (!type.namespaced || namespace === "") return;
  const stored = writer.get(storageKey(NAMESPACES, { name: namespace }));
  if (stored === undefined) throw notFound(NAMESPACES, namespace);
  if (stored.object.metadata?.deletionTimestamp === undefined) return;
  throw forbidden(
    type,
    object.metadata?.name ?? "",
    `unable to create new content in namespace ${namespace} because it is being terminated`,
    {
      reason: "NamespaceTerminating",
      message: `namespace ${namespace} is being terminated`,
      field: "metadata.namespace",
    },
  );
}

export function checkNamespaceDeletion({ info, definition }: ResourceRequest): void {
  if (IMMORTAL_NAMESPACES.has(info.name))
    throw forbidden(definition.type, info.name, "this namespace may not be deleted");
}

/** With its namespace, not a moment later: the first pod in it needs it. */
export function addDefaultServiceAccount({ writer, context }: Admission, { metadata }: Namespace): void {
  const namespace = metadata?.name ?? "";
  const key = storageKey(SERVICE_ACCOUNTS, { namespace, name: "default" });
  if (namespace === "" || writer.get(key) !== undefined) return;
  writer.create(key, {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: {
      name: "default",
      namespace,
      uid: randomUUID(),
      creationTimestamp: timestamp(context.clock.now()),
    },
  });
}
