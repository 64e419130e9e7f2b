import type { Container, ContainerRestartRule, Pod, PodSpec } from "@kedge/kube";
import type { RuntimeContainer, RuntimePod } from "../runtime/runtime-pod.ts";

/** A container's own policy wins over its pod's. */
export function restartPolicyOf({ restartPolicy }: Container, spec: PodSpec | undefined): string {
  return restartPolicy ?? spec?.restartPolicy ?? "Always";
}

/** The first of a container's rules that speaks of this exit code. */
export function matchingRule(
  { restartPolicyRules = [] }: Container,
  exitCode: number,
): ContainerRestartRule | undefined {
  return restartPolicyRules.find(({ exitCodes }) => {
    if (exitCodes === undefined) return false;
    const named = exitCodes.values?.includes(exitCode) === true;
    return exitCodes.operator === "In" ? named : exitCodes.operator === "NotIn" && !named;
  });
}

/** Whether a container that ended with this code runs again: by its rules, else its policy, else its pod's. */
export function restartsAfter(container: Container, spec: PodSpec | undefined, exitCode: number): boolean {
  // The API server lets a container have rules only with a policy of its own.
  if (container.restartPolicy !== undefined && matchingRule(container, exitCode) !== undefined) return true;
  const policy = restartPolicyOf(container, spec);
  return policy === "OnFailure" ? exitCode !== 0 : policy !== "Never";
}

/** Whether the end of one container may make the whole pod start anew, in place. */
export function mayRestartAll({ spec }: Pod): boolean {
  return allContainers(spec).some(({ restartPolicyRules = [] }) =>
    restartPolicyRules.some(({ action }) => action === "RestartAllContainers"),
  );
}

/** Whether this end makes the whole pod start anew. */
export function endsAll(container: Container, exitCode: number): boolean {
  return matchingRule(container, exitCode)?.action === "RestartAllContainers";
}

/** Of a pod whose status says that all shall start anew, or one of whose containers ended so: until all are gone. */
export function restartsAll(pod: Pod, runtime: RuntimePod): boolean {
  if (!mayRestartAll(pod)) return false;
  const { conditions = [], containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  if (conditions.some(({ type, status }) => type === "AllContainersRestarting" && status === "True")) return true;
  const told = [...initContainerStatuses, ...containerStatuses];
  return allContainers(pod.spec).some((container) => {
    const { name } = container;
    const record = runtime.containers.find((one) => one.name === name);
    const codes = [
      record?.state === "exited" ? record.exitCode : undefined,
      told.find((status) => status.name === name)?.state?.terminated?.exitCode,
    ];
    return codes.some((code) => code !== undefined && endsAll(container, code));
  });
}

/** What must go before all start anew; whose end made it so goes last, so that a crash of ours forgets nothing. */
export function containersToReset({ spec }: Pod, runtime: RuntimePod): RuntimeContainer[] {
  const recordsOf = (containers: readonly Container[] = []) =>
    containers.flatMap((container) =>
      runtime.containers
        .filter(({ name }) => name === container.name)
        .map((record) => ({ record, cause: record.state === "exited" && endsAll(container, record.exitCode) })),
    );
  const all = [...recordsOf(spec?.containers), ...recordsOf(spec?.initContainers)];
  return [...all.filter(({ cause }) => !cause), ...all.filter(({ cause }) => cause)].map(({ record }) => record);
}

function allContainers(spec: PodSpec | undefined): Container[] {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
}
