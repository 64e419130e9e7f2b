/** What cases are made of: each step waits until it is as it says, or the case's time is over. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type KubeObject, type ObjectKey, type Pod, PODS, type ResourceType } from "@kedge/kube";
import type { QosClass } from "./pod-cgroups.ts";
import type { Given, Step } from "./pod-case.ts";
import type { ContainerDigest, PodDigest } from "./pod-digest.ts";
import { type Expected, mismatch } from "./mismatch.ts";

export const becomes =
  (expected: Expected<PodDigest>): Step =>
  (run) =>
    run.becomes(expected);

/** Its only container, or `name`, becomes so. */
export const containerBecomes = (expected: Expected<ContainerDigest>, name = "main"): Step =>
  becomes({ containers: { [name]: expected } });

export const isReady = (): Step => becomes({ phase: "Running", conditions: { Ready: "True" } });
export const succeeds = (): Step => becomes({ phase: "Succeeded" });

/** It was so at some time. */
export const was =
  (expected: Expected<PodDigest>): Step =>
  (run) =>
    run.until(() => {
      const problems = run.recorded.digests.map((digest) => mismatch(digest, expected));
      return problems.includes(undefined) ? undefined : `it never was so: ${problems.at(-1)}`;
    });

/** Up to now it was never so. */
export const neverWas =
  (expected: Expected<PodDigest>): Step =>
  async (run) => {
    const found = run.recorded.digests.find((digest) => mismatch(digest, expected) === undefined);
    assert.equal(found, undefined, "it must not have been so");
  };

/** What a container has written is, in whole or as a pattern says. */
export const prints =
  (expected: string | RegExp, { container = "main", attempt = 0 } = {}): Step =>
  (run) =>
    run.eventually(async () => mismatch(await run.log(container, attempt), expected, "its log"));

/** What a shell command in a running container prints. It is repeated until it does. */
export const shows =
  (script: string, expected: string | RegExp, container = "main"): Step =>
  (run) =>
    run.eventually(async () => {
      const { stdout, stderr } = await run.exec(container, ["sh", "-c", script]);
      const actual = expected instanceof RegExp ? stdout : stdout.trim();
      const problem = mismatch(actual, expected, `'${script}'`);
      return problem === undefined ? undefined : `${problem} ${stderr}`;
    });

export const runs =
  (script: string, container = "main"): Step =>
  async (run) => {
    const { exitCode, stderr } = await run.exec(container, ["sh", "-c", script]);
    assert.equal(exitCode, 0, stderr);
  };

export const event =
  (reason: string, message: RegExp = /(?:)/, type = "Normal"): Step =>
  (run) =>
    run.until(() => {
      const found = run.events.filter((each) => each.reason === reason);
      if (found.some((each) => message.test(each.message ?? "") && each.type === type)) return undefined;
      const others = run.events.map((each) => each.reason).join();
      return found.length === 0
        ? `no event ${reason}, but ${others}`
        : `event ${reason} is ${JSON.stringify(found.map((each) => [each.type, each.message]))}, not ${String(message)}`;
    });

export const warning = (reason: string, message?: RegExp): Step => event(reason, message, "Warning");

/** Up to now there was no such event. */
export const noEvent =
  (reason: string): Step =>
  async (run) =>
    assert.deepEqual(
      run.events.filter((each) => each.reason === reason).map((each) => each.message),
      [],
      `there must be no event ${reason}`,
    );

/** The API's object. */
export const objectHas =
  (expected: Expected<Pod>): Step =>
  (run) =>
    run.until(() => mismatch(run.recorded.object, expected));

export const deletes =
  (graceSeconds?: number): Step =>
  (run) =>
    run.delete(graceSeconds);

export const isGone = (): Step => (run) => run.gone();
/** Nothing of it is left at the node, either. */
export const isCleared = (): Step => (run) => run.cleared();

export const makes =
  ({ type, object }: Given): Step =>
  async (run) =>
    void (await run.target.kube.create(type, inNamespace(object, run.namespace), run.signal));

export function inNamespace(object: KubeObject, namespace: string): KubeObject {
  return { ...object, metadata: { ...object.metadata, namespace } };
}

/** A merge patch of an object in the pod's namespace. */
export const changes =
  (type: ResourceType<KubeObject>, name: string, body: object): Step =>
  async (run) => {
    const key: ObjectKey = { namespace: run.namespace, name };
    await run.target.kube.patch(type, key, { type: "merge", body }, run.signal);
  };

/** A strategic merge patch of the pod, or of a part of it such as `resize`. */
export const changesPod =
  (body: object, subresource?: string): Step =>
  async (run) => {
    const options = subresource === undefined ? {} : { subresource };
    await run.target.kube.patch(PODS, run.key, { type: "strategic", body }, run.signal, options);
  };

export const kills =
  (signal: NodeJS.Signals = "SIGKILL", container = "main"): Step =>
  (run) =>
    run.killContainer(container, signal);

/** A value of the pod's cgroup, or of the one above it that all pods of its QoS class share. */
export const cgroupHas =
  (
    qos: QosClass,
    controller: string,
    file: string,
    expected: string | RegExp | ((value: string) => boolean),
    level: "pod" | "qos" = "pod",
  ): Step =>
  (run) =>
    run.eventually(async () => {
      const pod = run.cgroup(qos);
      const value = await run.cgroupValue(controller, level === "pod" ? pod : `${pod}/..`, file).catch(String);
      return mismatch(value, expected, `${controller} ${file}`);
    });

/** The container's own cgroup, as it sees it itself. */
export const cgroupShows = (controller: string, file: string, expected: string | RegExp, container?: string): Step =>
  shows(`cat /sys/fs/cgroup/${controller}/${file}`, expected, container);

/** A file in the case's scratch folder at the node, which remains when the pod has gone; empty: it is not there. */
export const leaves =
  (file: string, expected: string | RegExp): Step =>
  (run) =>
    run.eventually(async () => {
      const text = await readFile(join(run.scratch, file), "utf8").catch(() => "");
      return mismatch(text, expected, file);
    });

/** The steps take between so many milliseconds together; leave room above, for a busy machine. */
export const took =
  (leastMs: number, mostMs: number, ...steps: readonly Step[]): Step =>
  async (run) => {
    const started = performance.now();
    for (const step of steps) await step(run);
    const tookMs = Math.round(performance.now() - started);
    assert.ok(leastMs <= tookMs && tookMs <= mostMs, `it took ${tookMs} ms, not ${leastMs} to ${mostMs}`);
  };
