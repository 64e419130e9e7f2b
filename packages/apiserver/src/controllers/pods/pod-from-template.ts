import { controllerReference, type KubeObject, type Pod, type PodTemplateSpec, type ResourceType } from "@kedge/kube";

const NAME_PREFIX_CHARACTERS_MAX = 246; // the server adds five and a dash fits

/** A pod of this template that `owner` manages; the server completes its name. */
export function podFromTemplate(owner: KubeObject, ownerType: ResourceType, template: PodTemplateSpec): Pod {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      generateName: `${(owner.metadata?.name ?? "").slice(0, NAME_PREFIX_CHARACTERS_MAX)}-`,
      ...(owner.metadata?.namespace === undefined ? {} : { namespace: owner.metadata.namespace }),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
      ...(finalizers === undefined ? {} : { finalizers }),
      ownerReferences: [controllerReference(owner, ownerType)],
    },
    ...(template.spec === undefined ? {} : { spec: template.spec }),
  };
}
