/** Annotations and finalizers, as kube-controller-manager spells them: either takes over from the other. */
export const BIND_COMPLETED = "pv.kubernetes.io/bind-completed";
export const BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller";
export const PROVISIONED_BY = "pv.kubernetes.io/provisioned-by";
export const SELECTED_NODE = "volume.kubernetes.io/selected-node";
export const STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner";
export const DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class";
export const CLAIM_PROTECTION = "kubernetes.io/pvc-protection";
export const VOLUME_PROTECTION = "kubernetes.io/pv-protection";
/** A class whose volumes somebody makes by hand. */
export const NO_PROVISIONER = "kubernetes.io/no-provisioner";
export const WAIT_FOR_CONSUMER = "WaitForFirstConsumer";
