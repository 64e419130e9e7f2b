import { apiVersionOf, type KubeObject, type ListMeta } from "@kedge/kube";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import { StoredObject } from "../storage/stored-object.ts";
import type { AcceptedForm } from "./negotiate.ts";
import { asVersion } from "./as-version.ts";
import { badRequest } from "./status-error.ts";

/** What a row of a table carries of its object. */
export type IncludeObject = "Metadata" | "Object" | "None";

export interface PresentOptions {
  readonly form: AcceptedForm;
  readonly includeObject: IncludeObject;
  readonly nowMs: number;
}

/** @throws KubeApiError `BadRequest` */
export function includeObjectOf(query: URLSearchParams): IncludeObject {
  const value = query.get("includeObject") ?? "";
  if (value === "") return "Metadata";
  if (value === "Metadata" || value === "Object" || value === "None") return value;
  throw badRequest(`includeObject must be "Metadata", "Object" or "None", not ${JSON.stringify(value)}`);
}

/** Objects in the form that the caller asked for, as JSON text. */
export class Presenter {
  readonly #definition: ResourceDefinition;
  readonly #options: PresentOptions;
  readonly #plainPrefix: string;

  constructor(definition: ResourceDefinition, options: PresentOptions) {
    this.#definition = definition;
    this.#options = options;
    const { kind } = definition.type;
    this.#plainPrefix = `{"apiVersion":${JSON.stringify(apiVersionOf(definition.type))},"kind":${JSON.stringify(kind)},`;
  }

  /** One object. */
  one(stored: StoredObject): string {
    const { form } = this.#options;
    if (form.as === "Table") return this.#table([stored], { resourceVersion: String(stored.revision) }, true);
    return form.as === "Object" ? this.#plain(stored) : this.#partial(stored);
  }

  /** One object of a watch event; `first`: the table's columns are still to be told. */
  event(stored: StoredObject, revision: number, first: boolean): string {
    const shown = revision === stored.revision ? stored : withRevision(stored, revision);
    const { form } = this.#options;
    if (form.as === "Table") return this.#table([shown], { resourceVersion: String(revision) }, first);
    return form.as === "Object" ? this.#plain(shown) : this.#partial(shown);
  }

  /** An object without content that says up to which revision the watcher knows everything. */
  bookmark(revision: number, annotations?: Record<string, string>): string {
    const metadata = { resourceVersion: String(revision), ...(annotations && { annotations }) };
    const { form } = this.#options;
    if (form.as === "Table") {
      const object = { apiVersion: `meta.k8s.io/${form.version}`, kind: "PartialObjectMetadata", metadata };
      return JSON.stringify({
        kind: "Table",
        apiVersion: `meta.k8s.io/${form.version}`,
        metadata: { resourceVersion: String(revision) },
        columnDefinitions: null,
        rows: [{ cells: this.#definition.columns.map(() => null), object }],
      });
    }
    const type =
      form.as === "Object"
        ? { apiVersion: apiVersionOf(this.#definition.type), kind: this.#definition.type.kind }
        : { apiVersion: `meta.k8s.io/${form.version}`, kind: "PartialObjectMetadata" };
    return JSON.stringify({ ...type, metadata });
  }

  list(items: readonly StoredObject[], metadata: ListMeta): string {
    const { form } = this.#options;
    if (form.as === "Table") return this.#table(items, metadata, true);
    const head =
      form.as === "Object"
        ? { kind: this.#definition.listKind, apiVersion: apiVersionOf(this.#definition.type) }
        : { kind: "PartialObjectMetadataList", apiVersion: `meta.k8s.io/${form.version}` };
    const texts = items.map((item) => (form.as === "Object" ? this.#listed(item) : this.#partial(item)));
    return `${JSON.stringify({ ...head, metadata }).slice(0, -1)},"items":[${texts.join(",")}]}`;
  }

  /** Lists of built-in kinds leave out of each item what the list says already. */
  #listed(stored: StoredObject): string {
    const text = this.#plain(stored);
    return this.#definition.patchSchema === undefined ? text : `{${text.slice(this.#plainPrefix.length)}`;
  }

  #plain(stored: StoredObject): string {
    if (stored.json.startsWith(this.#plainPrefix)) return stored.json;
    const { apiVersion, kind, metadata, ...rest } = asVersion(stored, this.#definition);
    return JSON.stringify({ apiVersion, kind, metadata, ...rest });
  }

  #partial(stored: StoredObject): string {
    const apiVersion = `meta.k8s.io/${this.#options.form.version}`;
    return JSON.stringify({ kind: "PartialObjectMetadata", apiVersion, metadata: stored.object.metadata });
  }

  #table(items: readonly StoredObject[], metadata: ListMeta, withColumns: boolean): string {
    const { form, includeObject, nowMs } = this.#options;
    const rows = items.map((item) => {
      const cells = this.#definition.cells(item.object as KubeObject, nowMs);
      if (includeObject === "None") return `{"cells":${JSON.stringify(cells)},"object":null}`;
      const object = includeObject === "Object" ? this.#plain(item) : this.#partial(item);
      return `{"cells":${JSON.stringify(cells)},"object":${object}}`;
    });
    const head = {
      kind: "Table",
      apiVersion: `meta.k8s.io/${form.version}`,
      metadata,
      columnDefinitions: withColumns ? this.#columns() : null,
    };
    return `${JSON.stringify(head).slice(0, -1)},"rows":[${rows.join(",")}]}`;
  }

  #columns(): object[] {
    return this.#definition.columns.map(({ name, type, format = "", description, priority }) => ({
      name,
      type,
      format,
      description,
      priority,
    }));
  }
}

/** A state as its deletion shows it: with the revision of the deletion. */
function withRevision(stored: StoredObject, revision: number): StoredObject {
  const object = stored.copy();
  object.metadata = { ...object.metadata, resourceVersion: String(revision) };
  const { apiVersion, kind, ...rest } = object;
  return new StoredObject(stored.key, revision, JSON.stringify({ apiVersion, kind, ...rest }), object);
}
