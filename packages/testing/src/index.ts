export { Hostility } from "./hostility.ts";
export { TEST_IMAGE, TestContainerd } from "./containerd/test-containerd.ts";
export { findKubernetesBinaries, type KubernetesBinaries } from "./kubernetes/kubernetes-binaries.ts";
export { TestKubernetes, type TestKubernetesOptions } from "./kubernetes/test-kubernetes.ts";
export { type PemPair, TestCa } from "./kubernetes/test-certificates.ts";
export { freePort, TestProcess } from "./kubernetes/test-process.ts";
export { setNodeReady, TestKubelet, type TestKubeletOptions } from "./kubernetes/test-kubelet.ts";
export { TestRegistry, type TestRegistryOptions } from "./containerd/test-registry.ts";
export { inNetns } from "./containerd/in-netns.ts";
