import { KubeApiError, type KubeObject, type ObjectKey, type ResourceType } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";

export const WAIT_MS = 60_000;

/**
 * Waits for the API to show an object as `accept` wants it: first what is there, then each change.
 *
 * @param accept gets `undefined` while there is no such object; what it returns, unless undefined or false, is the answer.
 * @throws with the object's last state after `timeoutMs`.
 */
export async function waitForObject<T extends KubeObject, R>(
  kube: KubeClient,
  type: ResourceType<T>,
  key: ObjectKey,
  accept: (object: T | undefined) => R | undefined | false,
  timeoutMs = WAIT_MS,
): Promise<R> {
  const signal = AbortSignal.timeout(timeoutMs);
  let last: T | undefined;
  try {
    for (;;) {
      const { object, resourceVersion } = await current(kube, type, key, signal);
      last = object;
      const answer = accept(object);
      if (answer !== undefined && answer !== false) return answer;
      const changes = kube.watch(
        type,
        { namespace: key.namespace, fieldSelector: `metadata.name=${key.name}`, resourceVersion },
        signal,
      );
      try {
        for await (const change of changes) {
          if (change.type === "BOOKMARK") continue;
          last = change.type === "DELETED" ? undefined : change.object;
          const changed = accept(last);
          if (changed !== undefined && changed !== false) return changed;
        }
      } catch (error) {
        if (signal.aborted || (error instanceof KubeApiError && !error.retryable && error.code !== "Expired"))
          throw error;
        // the server went away or forgot this version: look again
      }
    }
  } catch (error) {
    const name = `${type.resource}/${key.name}`;
    const state = JSON.stringify((last as { status?: unknown } | undefined)?.status ?? last ?? "absent");
    throw new Error(`waited ${timeoutMs / 1000} s for ${name}; last seen: ${state}`, { cause: error });
  }
}

async function current<T extends KubeObject>(
  kube: KubeClient,
  type: ResourceType<T>,
  key: ObjectKey,
  signal: AbortSignal,
): Promise<{ object: T | undefined; resourceVersion: string | undefined }> {
  for (;;) {
    try {
      const { items, metadata } = await kube.list(
        type,
        { namespace: key.namespace, fieldSelector: `metadata.name=${key.name}` },
        signal,
      );
      return { object: items[0], resourceVersion: metadata.resourceVersion };
    } catch (error) {
      signal.throwIfAborted();
      if (!hasCode(error, "Unreachable") && !hasCode(error, "TimedOut")) throw error;
    }
  }
}
