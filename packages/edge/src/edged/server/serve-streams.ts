import { PodSandboxState, type RuntimeService } from "@kedge/cri";
import type { Pod } from "@kedge/kube";
import { POD_UID_LABEL } from "../runtime/kubelet-labels.ts";
import { findRunningContainer } from "./find-container.ts";
import { KubeletError } from "./kubelet-error.ts";
import { answer, type KubeletAnswer, type KubeletRequest } from "./kubelet-request.ts";
import { openStream } from "./open-stream.ts";

/** Arguments of a command, and ports at once. */
const ARGUMENTS_MAX = 4_096;
const PORTS_MAX = 64;
/** How long a command of `/run` may take. */
const RUN_SECONDS = 120;

/** `/exec/{namespace}/{pod}/{container}` */
export async function serveExec(
  request: KubeletRequest,
  pod: Pod,
  name: string,
  runtime: RuntimeService,
): Promise<KubeletAnswer> {
  checkUpgrade(request);
  const cmd = request.query.getAll("command");
  if (cmd.length === 0) throw KubeletError.badRequest("no command: name one, with each of its arguments");
  if (cmd.length > ARGUMENTS_MAX) throw KubeletError.badRequest(`a command of more than ${ARGUMENTS_MAX} arguments`);
  const streams = readStreams(request.query);
  const { id } = await findRunningContainer(runtime, pod, name, request.signal);
  return openStream(await runtime.exec({ containerId: id, cmd, ...streams }, request.signal), request);
}

/** `/attach/{namespace}/{pod}/{container}` */
export async function serveAttach(
  request: KubeletRequest,
  pod: Pod,
  name: string,
  runtime: RuntimeService,
): Promise<KubeletAnswer> {
  checkUpgrade(request);
  const streams = readStreams(request.query);
  const { id } = await findRunningContainer(runtime, pod, name, request.signal);
  // The terminal is the container's own: the client cannot wish for another.
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const own = [...containers, ...(pod.spec?.ephemeralContainers ?? [])].find((container) => container.name === name);
  const tty = own?.tty ?? streams.tty;
  const asked = { containerId: id, ...streams, tty, stderr: streams.stderr && !tty };
  return openStream(await runtime.attach(asked, request.signal), request);
}

/** `/portForward/{namespace}/{pod}` */
export async function servePortForward(
  request: KubeletRequest,
  pod: Pod,
  runtime: RuntimeService,
): Promise<KubeletAnswer> {
  checkUpgrade(request);
  // SPDY clients name each port in its stream, WebSocket clients here.
  const named = request.query.getAll("ports").length > 0 ? request.query.getAll("ports") : request.query.getAll("port");
  const texts = named.flatMap((text) => text.split(","));
  if (texts.length > PORTS_MAX) throw KubeletError.badRequest(`more than ${PORTS_MAX} ports at once`);
  const port = texts.map((text) => {
    const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
    if (number < 1 || number > 65_535) throw KubeletError.badRequest(`${JSON.stringify(text)} is no port`);
    return number;
  });
  const sandboxes = await runtime.listPodSandboxes({ [POD_UID_LABEL]: pod.metadata?.uid ?? "" }, request.signal);
  const ready = sandboxes.find(({ state }) => state === PodSandboxState.SANDBOX_READY);
  if (ready === undefined)
    throw KubeletError.notFound(`pod ${JSON.stringify(pod.metadata?.name)} is not running: it has no sandbox`);
  return openStream(await runtime.portForward({ podSandboxId: ready.id, port }, request.signal), request);
}

/** `/run/{namespace}/{pod}/{container}`: what the command wrote. */
export async function serveRun(
  { query, signal }: KubeletRequest,
  pod: Pod,
  name: string,
  runtime: RuntimeService,
): Promise<KubeletAnswer> {
  const cmd = (query.get("cmd") ?? "").split(" ").filter((argument) => argument !== "");
  if (cmd.length === 0) throw KubeletError.badRequest("no command: name one as cmd=…");
  const { id } = await findRunningContainer(runtime, pod, name, signal);
  const { stdout, stderr, exitCode } = await runtime.execSync(id, cmd, RUN_SECONDS, signal);
  const output = Buffer.concat([stdout, stderr]).toString();
  return exitCode === 0 ? answer(200, output) : answer(500, `command terminated with exit code ${exitCode}: ${output}`);
}

function checkUpgrade({ headers }: KubeletRequest): void {
  if (headers["upgrade"] === undefined || !/\bupgrade\b/i.test(headers["connection"] ?? ""))
    throw KubeletError.badRequest("unable to upgrade: missing upgrade headers in request");
}

/** @throws {KubeletError} `BadRequest`: nothing to see, nothing to say. */
function readStreams(query: URLSearchParams) {
  const is = (name: string) => query.get(name) === "1" || query.get(name) === "true";
  const [tty, stdin, stdout] = [is("tty"), is("input"), is("output")];
  // A terminal has one output.
  const stderr = is("error") && !tty;
  if (!stdin && !stdout && !stderr)
    throw KubeletError.badRequest("you must specify at least 1 of stdin, stdout, stderr");
  return { tty, stdin, stdout, stderr };
}
