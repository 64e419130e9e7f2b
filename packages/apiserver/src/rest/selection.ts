import {
  type FieldRequirement,
  type LabelRequirement,
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
} from "@kedge/kube";
import type { KubeObject } from "@kedge/kube";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import type { StoredObject } from "../storage/stored-object.ts";
import { badRequest } from "./status-error.ts";

/** Longer selectors are refused; each is evaluated for each object. */
const SELECTOR_CHARS_MAX = 16 * 1024;

/** Which objects of a collection a list, a watch or a deletion is about. */
export interface Selection {
  /** Nothing is left out. */
  readonly all: boolean;
  selects(stored: StoredObject): boolean;
}

/** Reads `labelSelector` and `fieldSelector`. @throws KubeApiError `BadRequest`, also for a field that cannot be selected by */
export function selectionOf(query: URLSearchParams, definition: ResourceDefinition): Selection {
  const labels = parsed(query.get("labelSelector") ?? "", parseLabelSelector);
  const fields = parsed(query.get("fieldSelector") ?? "", parseFieldSelector);
  if (fields.length > 0) checkFields(fields, definition);
  return {
    all: labels.length === 0 && fields.length === 0,
    selects: ({ object }) => matchesBoth(object, labels, fields, definition),
  };
}

function matchesBoth(
  object: Readonly<KubeObject>,
  labels: readonly LabelRequirement[],
  fields: readonly FieldRequirement[],
  definition: ResourceDefinition,
): boolean {
  if (!matchesLabels(labels, object.metadata?.labels)) return false;
  return fields.length === 0 || matchesFields(fields, definition.selectableFields(object as KubeObject));
}

function checkFields(fields: readonly FieldRequirement[], definition: ResourceDefinition): void {
  const { apiVersion, kind } = { apiVersion: definition.type.version, kind: definition.type.kind };
  const selectable = definition.selectableFields({ apiVersion, kind, metadata: {} });
  const always = new Set(["metadata.name", "metadata.namespace", ...Object.keys(selectable)]);
  for (const { field } of fields) if (!always.has(field)) throw badRequest(`field label not supported: ${field}`);
}

function parsed<T>(text: string, parse: (text: string) => T[]): T[] {
  if (text.length > SELECTOR_CHARS_MAX) throw badRequest(`a selector may have ${SELECTOR_CHARS_MAX} characters`);
  try {
    return text === "" ? [] : parse(text);
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message);
    throw error;
  }
}
