export type { KubeClient, ListOptions, PatchType, WatchOptions, WriteOptions } from "./kube-client.ts";
