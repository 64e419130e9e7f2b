import type { CustomResourceDefinition } from "@kedge/kube";
import { Component, toError } from "@kedge/runtime";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import { defineFromCrd } from "../resources/crd/define-from-crd.ts";
import type { ApiContext } from "../rest/api-context.ts";
import { deleteAll } from "../rest/delete-object.ts";
import { keyPrefix, resourcePrefixOf, storageKey } from "../storage/object-key.ts";
import type { Change } from "../storage/stored-object.ts";
import { CRD_FINALIZER, establishedStatus, findNameConflict, terminatingStatus } from "./crd-status.ts";

export const CRDS = { group: "apiextensions.k8s.io", resource: "customresourcedefinitions" };
const RETRY_MS = 1000;

/** Serves the resources that CustomResourceDefinitions define, from their creation to the end of their last object. */
export class CustomResources extends Component {
  readonly #context: ApiContext;
  readonly #subscription: Disposable;
  readonly #dirty = new Set<string>();
  /** Resources on their way out: key prefix → name of the definition. */
  readonly #terminating = new Map<string, string>();
  #running: Promise<void> = Promise.resolve();
  #idle = true;

  constructor(context: ApiContext) {
    super();
    this.#context = context;
    this.#subscription = context.log.onCommit((changes) => this.#note(changes));
    this.#markAll();
  }

  /** Resolves once every definition known now is served. */
  async settled(): Promise<void> {
    while (!this.#idle) await this.#running;
  }

  protected override async stop(): Promise<void> {
    this.#subscription[Symbol.dispose]();
    await this.#running;
  }

  #note(changes: readonly Change[]): void {
    const prefix = keyPrefix(CRDS);
    for (const { stored, type } of changes) {
      if (stored.key.startsWith(prefix)) this.#mark(stored.key.slice(prefix.length));
      else if (type === "DELETED" && this.#terminating.size > 0) {
        const name = this.#terminating.get(resourcePrefixOf(stored.key));
        if (name !== undefined) this.#mark(name);
      }
    }
  }

  #markAll(): void {
    const prefix = keyPrefix(CRDS);
    for (const { key } of this.#context.log.list(prefix)) this.#mark(key.slice(prefix.length));
  }

  #mark(name: string): void {
    this.#dirty.add(name);
    if (!this.#idle || this.signal.aborted) return;
    this.#idle = false;
    this.#running = this.#work();
  }

  async #work(): Promise<void> {
    await Promise.resolve(); // never inside the commit that told us
    while (this.#dirty.size > 0 && !this.signal.aborted) {
      const [name = ""] = this.#dirty;
      this.#dirty.delete(name);
      try {
        await this.#reconcile(name);
      } catch (error) {
        if (this.signal.aborted) break;
        this.#context.logger.warn({ crd: name, error: toError(error) }, "custom resource not served, trying again");
        this.#dirty.add(name);
        await this.#context.clock.sleep(RETRY_MS, this.signal).catch(() => undefined);
      }
    }
    this.#idle = true;
  }

  async #reconcile(name: string): Promise<void> {
    const { log, registry } = this.#context;
    const crd = log.get(storageKey(CRDS, { name }))?.copy() as CustomResourceDefinition | undefined;
    if (crd === undefined) {
      registry.setCustom(name, []);
      for (const [prefix, owner] of this.#terminating) if (owner === name) this.#terminating.delete(prefix);
      this.#markAll(); // another one may have waited for its names
      return;
    }
    if (crd.metadata?.deletionTimestamp !== undefined) return this.#terminate(name, crd);
    const conflict = findNameConflict(crd, registry.all());
    if (conflict === undefined) registry.setCustom(name, defineFromCrd(crd));
    await this.#writeStatus(name, (current) => establishedStatus(current, conflict, this.#context.clock.now()));
  }

  /** No new objects, then no objects, then no definition. */
  async #terminate(name: string, crd: CustomResourceDefinition): Promise<void> {
    const { registry, logger } = this.#context;
    const definitions = defineFromCrd(crd).map((definition) => withoutCreation(definition));
    if (registry.find(crd.spec.group, definitions[0]?.type.version ?? "", crd.spec.names.plural) !== undefined)
      registry.setCustom(name, definitions);
    const [definition] = definitions;
    if (definition !== undefined) this.#terminating.set(keyPrefix(definition.type), name);
    await this.#writeStatus(name, (current) => terminatingStatus(current, this.#context.clock.now()));
    const left = definition === undefined ? 0 : await deleteAll(this.#context, definition);
    if (left > 0) {
      logger.info({ crd: name, left }, "custom objects wait for their finalizers");
      return; // the deletion of one of them brings us back
    }
    await this.#context.log.write((writer) => {
      const key = storageKey(CRDS, { name });
      const current = writer.get(key)?.copy();
      if (current?.metadata?.deletionTimestamp === undefined) return;
      const finalizers = (current.metadata.finalizers ?? []).filter((finalizer) => finalizer !== CRD_FINALIZER);
      current.metadata = { ...current.metadata, finalizers };
      if (finalizers.length === 0) writer.delete(key, current);
      else writer.update(key, current);
    });
  }

  async #writeStatus(name: string, change: (crd: CustomResourceDefinition) => void): Promise<void> {
    await this.#context.log.write((writer) => {
      const key = storageKey(CRDS, { name });
      const current = writer.get(key)?.copy() as CustomResourceDefinition | undefined;
      if (current === undefined) return;
      change(current);
      writer.update(key, current);
    });
  }
}

function withoutCreation(definition: ResourceDefinition): ResourceDefinition {
  const verbs = definition.verbs.filter((verb) => verb !== "create");
  return Object.assign(Object.create(definition) as ResourceDefinition, { verbs });
}
