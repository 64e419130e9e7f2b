import type { Container, LifecycleHandler, Pod } from "@kedge/kube";
import { toError } from "@kedge/runtime";
import type { EdgedParts } from "../edged-parts.ts";
import { httpGet, httpTarget } from "../probes/http-get.ts";
import { HTTP_ANSWER_TO_HTTPS, joinHostPort } from "../probes/network-failure.ts";
import { HookError } from "./hook-error.ts";

const MESSAGE_BYTES_MAX = 1024;

/** The container that the hook is of. */
export interface HookOwner {
  readonly pod: Pod;
  readonly container: Pick<Container, "name" | "ports">;
  readonly containerId: string;
  readonly podIP: string | undefined;
}

/**
 * Runs what a user wants done after a container's start or before its end. It takes as long as it takes: `signal` is its
 * only bound.
 *
 * @throws HookError, or the signal's reason.
 */
export async function runHook(
  handler: LifecycleHandler,
  owner: HookOwner,
  parts: Pick<EdgedParts, "cri" | "clock" | "events">,
  signal: AbortSignal,
): Promise<void> {
  const { exec, httpGet: get, sleep } = handler;
  const { name = "", namespace = "", uid = "" } = owner.pod.metadata ?? {};
  const of = `for Container "${owner.container.name}" in Pod "${name}_${namespace}(${uid})" failed`;
  try {
    if (exec !== undefined) await runCommand(exec.command ?? [], of, owner, parts, signal);
    else if (get !== undefined) await callHttp(handler, owner, parts, signal);
    else if (sleep !== undefined) await parts.clock.sleep(sleep.seconds * 1000, signal);
    else throw new HookError("Cannot run handler: only exec, httpGet and sleep can be");
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof HookError) throw error;
    const { message } = toError(error);
    if (get !== undefined)
      throw new HookError(`HTTP lifecycle hook (${get.path ?? ""}) ${of} - error: ${message}`, error);
    throw new HookError(`lifecycle hook ${of} - error: ${message}`, error);
  }
}

async function runCommand(
  command: string[],
  of: string,
  { containerId }: HookOwner,
  { cri }: Pick<EdgedParts, "cri">,
  signal: AbortSignal,
): Promise<void> {
  const fail = (why: string, output: string, cause?: unknown) =>
    new HookError(
      `Exec lifecycle hook ([${command.join(" ")}]) ${of} - error: ${why}, message: ${JSON.stringify(output)}`,
      cause,
    );
  let result;
  try {
    result = await cri.runtime.execSync(containerId, command, 0, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw fail(toError(error).message, "", error);
  }
  if (result.exitCode === 0) return;
  const stderr = cut(result.stderr);
  const why = `command '${command.join(" ")}' exited with ${result.exitCode}: ${stderr}`;
  throw fail(why, cut(Buffer.concat([result.stdout, result.stderr])));
}

/** Any answer will do. A server that does not speak TLS after all is asked without, as kubelets do. */
async function callHttp(
  handler: LifecycleHandler,
  { pod, container, podIP }: HookOwner,
  { events }: Pick<EdgedParts, "events">,
  signal: AbortSignal,
): Promise<void> {
  if (handler.httpGet === undefined) return;
  const target = httpTarget(handler.httpGet, container, podIP, "lifecycle");
  try {
    await httpGet(target, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!toError(error).message.endsWith(HTTP_ANSWER_TO_HTTPS)) throw error;
    const { authorization: _, ...headers } = target.headers;
    await httpGet({ ...target, scheme: "http", headers }, signal).catch(() => {
      throw error;
    });
    const where = joinHostPort(target.host, target.port);
    const message = `request to HTTPS lifecycle hook ${where} got HTTP response, retry with HTTP succeeded`;
    events.warn(pod, "LifecycleHTTPFallback", message);
  }
}

function cut(output: Uint8Array): string {
  return Buffer.from(output.subarray(0, MESSAGE_BYTES_MAX)).toString();
}
