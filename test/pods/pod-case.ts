import type { Container, KubeObject, ObjectMeta, PodSpec, ResourceType } from "@kedge/kube";
import type { PodRun } from "./pod-run.ts";

/** One thing done to a pod, or seen of it. */
export type Step = (run: PodRun) => Promise<void>;

/** An object of another kind, made in the pod's namespace, or in none. */
export interface Given {
  readonly cluster?: boolean;
  readonly type: ResourceType<KubeObject>;
  readonly object: KubeObject;
}

export interface PodTemplate {
  readonly metadata?: Partial<ObjectMeta>;
  readonly spec: PodSpec;
}

/** What is there for every pod of a target. */
export interface Fixtures {
  readonly nodeName: string;
  /** A folder at the node, this case's own; it is not there yet. */
  readonly scratch: string;
  /** A registry that everybody may pull from: `team/app:1` to `:4` are the test image. */
  readonly registry: string;
  /** Another, which wants {@link REGISTRY_CREDENTIALS}. */
  readonly closedRegistry: string;
}

/** A Pod, what is done to it, and what a kubelet makes of it. */
export interface PodCase {
  /** A sentence. */
  readonly name: string;
  /** There before the pod. */
  readonly given?: readonly Given[];
  /** The same, of what is known only then. */
  readonly givenOf?: (fixtures: Fixtures) => readonly Given[];
  readonly pod: PodTemplate | ((fixtures: Fixtures) => PodTemplate);
  /** In this order; each waits until it is so. */
  readonly steps: readonly Step[];
  /** Where Kedge is not like a kubelet: `why` is in docs/KUBERNETES.md, and `steps` are what it does instead. */
  readonly differs?: { readonly why: string; readonly steps: readonly Step[] };
  /** A kubelet does not always do it, and why; then the case is held to Kedge alone. */
  readonly unsteady?: string;
  /** A static pod. */
  readonly fromFile?: boolean;
  /** It hurts others on the node, so it runs after them: the agent is killed, say. */
  readonly alone?: boolean;
  /** For all steps. Default: 60. */
  readonly timeoutSeconds?: number;
  /** Also on the embedded control plane. */
  readonly core?: boolean;
}

export interface PodTheme {
  readonly name: string;
  readonly cases: readonly PodCase[];
}

/** A container of which the case says only what matters. */
export type ContainerTemplate = Partial<Container> & { readonly script?: string };
