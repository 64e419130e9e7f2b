import { type CustomResourceDefinition, equalJson, type FieldError, invalidError, isConditionTrue } from "@kedge/kube";
import type { BuiltinStrategy } from "../builtin-strategy.ts";
import { crdErrors } from "./crd-validation.ts";
import { crdWarnings } from "./crd-warnings.ts";

type Crd = CustomResourceDefinition;

/** What goes for CustomResourceDefinitions themselves. */
export const crdStrategy: BuiltinStrategy<Crd> = {
  applyDefaults({ spec }) {
    if (spec === undefined) return;
    if (spec.names !== undefined) {
      spec.names.singular ||= (spec.names.kind ?? "").toLowerCase();
      spec.names.listKind ||= `${spec.names.kind ?? ""}List`;
    }
    spec.conversion ??= { strategy: "None" };
    spec.conversion.strategy ||= "None";
  },
  prepareCreate(crd) {
    const storedVersions = (crd.spec?.versions ?? []).filter(({ storage }) => storage).map(({ name }) => name);
    Object.assign(crd, { status: { conditions: [], acceptedNames: { plural: "", kind: "" }, storedVersions } });
  },
  prepareUpdate(crd, old) {
    const storage = (crd.spec?.versions ?? []).find((version) => version.storage)?.name;
    const stored = old.status?.storedVersions ?? [];
    if (storage !== undefined && !stored.includes(storage))
      Object.assign(crd, { status: { ...crd.status, storedVersions: [...stored, storage] } });
  },
  validate: crdErrors,
  warnings: crdWarnings,
  validateUpdate,
};

function validateUpdate({ spec }: Crd, old: Crd): FieldError[] {
  const errors: FieldError[] = [];
  const fixed = (field: string, value: unknown, before: unknown) => {
    if (!equalJson(value, before)) errors.push(invalidError(field, value, "field is immutable"));
  };
  fixed("spec.group", spec?.group, old.spec.group);
  fixed("spec.names.plural", spec?.names?.plural, old.spec.names.plural);
  if (isConditionTrue(old.status?.conditions, "Established")) {
    fixed("spec.scope", spec?.scope, old.spec.scope);
    fixed("spec.names.kind", spec?.names?.kind, old.spec.names.kind);
  }
  for (const name of old.status?.storedVersions ?? [])
    if (!(spec?.versions ?? []).some((version) => version.name === name))
      errors.push(invalidError("status.storedVersions", name, "missing from spec.versions"));
  return errors;
}
