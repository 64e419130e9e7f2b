import {
  apiVersionOf,
  type CustomResourceDefinition,
  type KubeObject,
  type ObjectMeta,
  type ResourceType,
} from "@kedge/kube";
import { discoverResources, Informer } from "@kedge/kube-client";
import { Component, toError } from "@kedge/runtime";
import type { ControllerContext } from "../controller-deps.ts";

const CUSTOM_RESOURCE_DEFINITIONS: ResourceType<CustomResourceDefinition> = {
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  resource: "customresourcedefinitions",
  namespaced: false,
};
/** A new definition is served a moment after it is stored. */
const SETTLE_MS = 200;
/** They come and go by themselves and own nothing. */
const IGNORED = new Set(["/events", "events.k8s.io/events"]);

export interface MonitorEvents {
  upsert(type: ResourceType, object: KubeObject): void;
  remove(object: KubeObject): void;
}

/** Watches the metadata of everything that can be deleted, custom resources as soon as they are defined. */
export class ResourceMonitors extends Component {
  readonly #context: ControllerContext;
  readonly #events: MonitorEvents;
  readonly #monitors = new Map<string, Informer<KubeObject>>();
  readonly #definitions: Informer<CustomResourceDefinition>;
  readonly #running: Promise<void>;
  #types = new Map<string, ResourceType>();
  #wake = new AbortController();
  #discovered = false;

  constructor(context: ControllerContext, events: MonitorEvents) {
    super();
    this.#context = context;
    this.#events = events;
    this.#definitions = new Informer(context.kube, CUSTOM_RESOURCE_DEFINITIONS, {
      logger: context.logger,
      clock: context.clock,
      metadataOnly: true,
    });
    this.#definitions.onChange(() => this.#wake.abort());
    this.#running = this.#run();
  }

  /** Whether all that can be watched has been seen once: only then does absence from the graph mean anything. */
  get complete(): boolean {
    return this.#discovered && [...this.#monitors.values()].every(({ hasSynced }) => hasSynced);
  }

  /** The resource that an owner reference means; undefined: not served, or not discovered yet. */
  typeOf({ apiVersion, kind }: { apiVersion: string; kind: string }): ResourceType | undefined {
    const exact = this.#types.get(`${apiVersion}/${kind}`);
    if (exact !== undefined) return exact;
    // Another version of the same kind will do: an object is the same in all of them.
    const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
    return [...this.#types.values()].find((type) => type.group === group && type.kind === kind);
  }

  async #run(): Promise<void> {
    const { clock, logger, timings } = this.#context;
    while (!this.signal.aborted) {
      this.#wake = new AbortController();
      try {
        await this.#discover();
      } catch (error) {
        if (!this.signal.aborted) logger.warn({ error: toError(error) }, "garbage collector cannot discover resources");
      }
      const wakened = AbortSignal.any([this.signal, this.#wake.signal]);
      await clock.sleep(timings.discoveryMs, wakened).catch(() => undefined);
      await clock.sleep(SETTLE_MS, this.signal).catch(() => undefined);
    }
  }

  async #discover(): Promise<void> {
    const { resources, failed } = await discoverResources(this.#context.kube, this.signal);
    const deletable = resources.filter(
      ({ type, verbs }) =>
        ["delete", "list", "watch"].every((verb) => verbs.includes(verb)) &&
        !IGNORED.has(`${type.group}/${type.resource}`),
    );
    const seen = new Map<string, ResourceType>(deletable.map(({ type }) => [idOf(type), type]));
    for (const [id, type] of seen) if (!this.#monitors.has(id)) this.#monitors.set(id, this.#watch(type));
    const silent = new Set(failed.map(({ groupVersion }) => groupVersion));
    for (const [id, informer] of this.#monitors) {
      if (seen.has(id) || silent.has(apiVersionOf(informer.type))) continue;
      this.#monitors.delete(id);
      for (const object of informer.list()) this.#events.remove(object); // its definition is gone, and so is it
      await informer[Symbol.asyncDispose]();
    }
    this.#types = new Map(resources.map(({ type }) => [`${apiVersionOf(type)}/${type.kind}`, type]));
    this.#discovered = true;
  }

  #watch(type: ResourceType): Informer<KubeObject> {
    const { kube, logger, clock } = this.#context;
    const informer = new Informer(kube, type, { metadataOnly: true, transform: onlyRelations, logger, clock });
    informer.onChange((old, object) => {
      if (object !== undefined) this.#events.upsert(type, object);
      else if (old !== undefined) this.#events.remove(old);
    });
    return informer;
  }

  protected override async stop(): Promise<void> {
    this.#wake.abort();
    await this.#running;
    await Promise.all([...this.#monitors.values(), this.#definitions].map((each) => each[Symbol.asyncDispose]()));
  }
}

/** A few hundred bytes an object. */
function onlyRelations(object: KubeObject): KubeObject {
  const { uid, name, namespace, resourceVersion, ownerReferences, finalizers, deletionTimestamp } =
    object.metadata ?? {};
  const kept = { uid, name, namespace, resourceVersion, ownerReferences, finalizers, deletionTimestamp };
  const metadata = Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined)) as ObjectMeta;
  return { metadata };
}

function idOf({ group, version, resource }: ResourceType): string {
  return `${group}/${version}/${resource}`;
}
