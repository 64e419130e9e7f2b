/** Pods of which a case says only what matters. */
import type { Container, PodSpec } from "@kedge/kube";
import { TEST_IMAGE } from "@kedge/testing";
import type { ContainerTemplate, PodTemplate } from "./pod-case.ts";

/** Runs until it is told to end, and then ends at once. */
export const SERVE = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done";

/** A container `main` of the test image that runs `script` in a shell. */
export function container({ script, ...rest }: ContainerTemplate): Container {
  return {
    name: "main",
    image: TEST_IMAGE,
    imagePullPolicy: "Never",
    ...(script !== undefined && { command: ["sh", "-c", script] }),
    ...rest,
  };
}

/** A pod whose container runs `script` to its end; its node-side defaults are the quickest. */
export function once(main: ContainerTemplate, spec: Partial<PodSpec> = {}): PodTemplate {
  return { spec: { ...BASICS, restartPolicy: "Never", containers: [container(main)], ...spec } };
}

/** A pod that runs until it is deleted. @param main its script, if any, is run first. */
export function lasting({ script, ...rest }: ContainerTemplate = {}, spec: Partial<PodSpec> = {}): PodTemplate {
  const main = container({ ...rest, script: script === undefined ? SERVE : `${script}\n${SERVE}` });
  return { spec: { ...BASICS, containers: [main], ...spec } };
}

/** A pod of these containers. */
export function podOf(containers: readonly ContainerTemplate[], spec: Partial<PodSpec> = {}): PodTemplate {
  return { spec: { ...BASICS, containers: containers.map(container), ...spec } };
}

const BASICS = { terminationGracePeriodSeconds: 1, automountServiceAccountToken: false };
