import { type CustomResourceDefinition, isJsonObject, type JsonObject } from "@kedge/kube";

/** What a client should know when it writes this definition, which may be anything of the right types still. */
export function crdWarnings({ spec }: Partial<CustomResourceDefinition>): string[] {
  const versions: CustomResourceDefinition["spec"]["versions"] | undefined = spec?.versions;
  return (versions ?? []).flatMap(({ name, schema }, index) => {
    const written = schema?.openAPIV3Schema as unknown as JsonObject | undefined;
    if (written === undefined || !hasRules(written)) return [];
    return [
      `spec.versions[${index}].schema.openAPIV3Schema: x-kubernetes-validations of version ${name} are stored but not evaluated by this server`,
    ];
  });
}

/** `x-kubernetes-validations` anywhere in a schema: rules in CEL, which are not evaluated here. */
function hasRules(schema: JsonObject): boolean {
  if (Array.isArray(schema["x-kubernetes-validations"]) && schema["x-kubernetes-validations"].length > 0) return true;
  return Object.values(schema).some((member) =>
    Array.isArray(member)
      ? member.some((item) => isJsonObject(item) && hasRules(item))
      : isJsonObject(member) && hasRules(member),
  );
}
