import type { Container, Pod, PodSpec } from "@kedge/kube";
import { containerHash } from "../runtime/container-hash.ts";
import type { RuntimeContainer, RuntimePod, RuntimeSandbox } from "../runtime/runtime-pod.ts";

/** Objects for tests that only say what the test is about. */
export function pod(spec: Partial<PodSpec> = {}, metadata: Pod["metadata"] = {}): Pod {
  return {
    metadata: { name: "p", namespace: "default", uid: "uid-1", ...metadata },
    spec: { containers: [container("app")], ...spec },
  };
}

export function container(name: string, facts: Partial<Container> = {}): Container {
  return { name, image: "img:1", ...facts };
}

export function sandbox(facts: Partial<RuntimeSandbox> = {}): RuntimeSandbox {
  return { id: "sb0", attempt: 0, ready: true, createdAtMs: 1, ips: ["10.0.0.2"], hostNetwork: false, ...facts };
}

export function record(
  name: string,
  state: RuntimeContainer["state"],
  facts: Partial<RuntimeContainer> = {},
): RuntimeContainer {
  return {
    id: `${name}-0`,
    sandboxId: "sb0",
    name,
    state,
    createdAtMs: 1000,
    startedAtMs: 2000,
    finishedAtMs: state === "exited" ? 3000 : 0,
    exitCode: 0,
    reason: state === "exited" ? (facts.exitCode === undefined || facts.exitCode === 0 ? "Completed" : "Error") : "",
    message: "",
    image: "img:1",
    imageRef: "sha256:1",
    hash: containerHash({ name, image: "img:1" }),
    restartCount: 0,
    logPath: "",
    terminationMessageHostPath: undefined,
    terminationMessagePolicy: "File",
    gracePeriodSeconds: undefined,
    ...facts,
  };
}

export function runtime(
  containers: readonly RuntimeContainer[],
  sandboxes: readonly RuntimeSandbox[] = [sandbox()],
): RuntimePod {
  return { uid: "uid-1", name: "p", namespace: "default", sandboxes, containers };
}
