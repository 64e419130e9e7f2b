import type { ResourceDefinition } from "../resources/resource-definition.ts";

const AUTHENTICATION = "authentication.k8s.io";
const AUTHORIZATION = "authorization.k8s.io";

/** Reviews are resources without objects: they can only be created, and are answered at once. */
export function reviewDefinitions(): ResourceDefinition[] {
  return [
    review(AUTHENTICATION, "SelfSubjectReview", "selfsubjectreviews", false),
    review(AUTHENTICATION, "TokenReview", "tokenreviews", false),
    review(AUTHORIZATION, "LocalSubjectAccessReview", "localsubjectaccessreviews", true),
    review(AUTHORIZATION, "SelfSubjectAccessReview", "selfsubjectaccessreviews", false),
    review(AUTHORIZATION, "SelfSubjectRulesReview", "selfsubjectrulesreviews", false),
    review(AUTHORIZATION, "SubjectAccessReview", "subjectaccessreviews", false),
  ];
}

function review(group: string, kind: string, resource: string, namespaced: boolean): ResourceDefinition {
  return {
    type: { group, version: "v1", kind, resource, namespaced },
    listKind: `${kind}List`,
    singular: kind.toLowerCase(),
    shortNames: [],
    categories: [],
    verbs: ["create"],
    hasStatus: false,
    columns: [],
    prune: () => [],
    applyDefaults: () => undefined,
    prepareCreate: () => undefined,
    prepareUpdate: () => undefined,
    validate: () => [],
    cells: () => [],
    selectableFields: () => ({}),
  };
}
