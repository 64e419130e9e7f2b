import type { ResourceDefinition } from "../resources/resource-definition.ts";

/** All resources that are served now: the built-in ones, and those of CustomResourceDefinitions, which come and go. */
export class ResourceRegistry {
  readonly #builtin: ReadonlyMap<string, ResourceDefinition>;
  readonly #custom = new Map<string, readonly ResourceDefinition[]>();
  #served: ReadonlyMap<string, ResourceDefinition>;
  #generation = 0;

  constructor(builtin: readonly ResourceDefinition[]) {
    this.#builtin = indexed(builtin);
    this.#served = this.#builtin;
  }

  /** Grows with every change: what was derived from the definitions may be kept as long as this stays. */
  get generation(): number {
    return this.#generation;
  }

  all(): Iterable<ResourceDefinition> {
    return this.#served.values();
  }

  find(group: string, version: string, resource: string): ResourceDefinition | undefined {
    return this.#served.get(`${group}/${version}/${resource}`);
  }

  /** Any served version of a kind, for what refers to objects by kind. */
  findKind(group: string, kind: string): ResourceDefinition | undefined {
    for (const definition of this.#served.values())
      if (definition.type.group === group && definition.type.kind === kind) return definition;
    return undefined;
  }

  isBuiltin(group: string, resource: string): boolean {
    for (const { type } of this.#builtin.values()) if (type.group === group && type.resource === resource) return true;
    return false;
  }

  /** Whether anything is served under this group and version, so that its discovery document exists. */
  servesGroupVersion(group: string, version: string): boolean {
    for (const { type } of this.#served.values()) if (type.group === group && type.version === version) return true;
    return false;
  }

  /** Serves what a CustomResourceDefinition defines; an empty list stops serving it. */
  setCustom(crdName: string, definitions: readonly ResourceDefinition[]): void {
    if (definitions.length === 0) this.#custom.delete(crdName);
    else this.#custom.set(crdName, definitions);
    this.#generation += 1;
    this.#served = new Map([...indexed([...this.#custom.values()].flat()), ...this.#builtin]);
  }
}

function indexed(definitions: readonly ResourceDefinition[]): Map<string, ResourceDefinition> {
  return new Map(
    definitions.map((definition) => {
      const { group, version, resource } = definition.type;
      return [`${group}/${version}/${resource}`, definition];
    }),
  );
}
