import { existsSync } from "node:fs";
import { mkdir, rmdir } from "node:fs/promises";
import { hasCode } from "@kedge/runtime";
import { type Node, NODES, type Pod, SECRETS } from "@kedge/kube";
import { connectKube, type KubeClient, loadKubeconfig } from "@kedge/kube-client";
import { applyCrds } from "../control-plane/apply-crds.ts";
import { ManagedProcess } from "../managed-process.ts";
import { programCommand } from "../programs.ts";
import { foreignChains } from "../node/cni-chains.ts";
import { startContainerd } from "../node/containerd.ts";
import {
  deploySampleApp,
  deploySampleDevice,
  sampleAppServes,
  type SampleTwin,
  sampleTwinWentRound,
} from "../sample/deploy-sample.ts";
import { importSampleImages, SAMPLE_IMAGE, SANDBOX_IMAGE } from "../sample/sample-image.ts";
import { SAMPLE_DEVICE, SAMPLE_NAMESPACE, SAMPLE_PORT } from "../sample/sample-objects.ts";
import { stateDirFlag, type StatePaths, statePaths } from "../state-paths.ts";
import { UserError } from "../user-error.ts";
import { waitUntil } from "../wait-until.ts";
import { choosePort } from "./choose-port.ts";
import { withLock } from "./lock.ts";
import { expectPortsFree, preflight } from "./preflight.ts";
import { type Progress, table } from "./progress.ts";
import { type AskedPorts, type MovablePort, type PortNumbers, PORTS_DEFAULT, type UpOptions } from "./up-options.ts";
import { readRecord, writeRecord } from "./up-record.ts";
import { writeCloudConfig, writeEdgeConfig } from "./write-configs.ts";

const CLOUD_READY_TIMEOUT_MS = 30_000;
const NODE_READY_TIMEOUT_MS = 30_000;

/**
 * Brings this machine's control plane, node and sample up, or finds them up. What was started stays when a later step
 * fails: the next `up` goes on from there, and `down` stops it.
 *
 * @throws UserError with one sentence on what is in the way.
 */
export async function up(options: UpOptions<AskedPorts>, progress: Progress, signal: AbortSignal): Promise<void> {
  const paths = statePaths(options.stateDir);
  try {
    await preflight(paths);
    for (const dir of [paths.run.dir, paths.log.dir]) await mkdir(dir, { recursive: true, mode: 0o711 });
    await withLock(paths, () => bringUp(options, paths, progress, signal));
  } finally {
    // Had it to give up before it began, it leaves no trace: these go only if they are empty.
    for (const dir of [paths.log.dir, paths.stateDir, paths.run.dir]) await rmdir(dir).catch(() => undefined);
  }
}

async function bringUp(
  asked: UpOptions<AskedPorts>,
  paths: StatePaths,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const processes = {
    cloud: new ManagedProcess("cloud", paths),
    containerd: new ManagedProcess("containerd", paths),
    edge: new ManagedProcess("edge", paths),
    sensor: new ManagedProcess("sensor", paths),
  };
  const before = await readRecord(paths);
  const running = (await processes.cloud.pid()) !== undefined || (await processes.edge.pid()) !== undefined;
  expectSameNode(before?.options, asked);
  if (running) expectSameSettings(before?.options, asked);
  const options = { ...asked, ports: await choosePorts(asked.ports, processes, before?.options.ports) };
  if (options.kubeconfig !== undefined) loadKubeconfig(options.kubeconfig); // before anything is remembered
  await expectFreePorts(processes, options);
  const sample = options.sample || (running && before?.options.sample === true); // its sensor still runs
  await writeRecord(paths, {
    options: { ...options, sample },
    foreignChains: before?.foreignChains ?? (await foreignChains(signal)),
  });

  progress.say(`Kedge in ${paths.stateDir}`);
  await using kube = await progress.step("control plane and cloudcore", () =>
    startCloud(processes.cloud, paths, options, signal),
  );
  await progress.step("containerd and images", async () => {
    if ((await processes.containerd.pid()) === undefined)
      await startContainerd(processes.containerd, paths, SANDBOX_IMAGE, signal);
    await importSampleImages(paths, signal);
  });
  await progress.step(`edge node ${options.nodeName} is Ready`, () =>
    startEdge(kube, processes.edge, paths, options, signal),
  );
  if (!options.sample) {
    const kubectl = `kubectl --kubeconfig ${options.kubeconfig ?? paths.kubeconfig}`;
    progress.say(`\n${whereToLook(options, paths)}\nTry: ${kubectl} get nodes`);
    return;
  }
  await progress.step("sample app and device are deployed", async () => {
    await deploySampleApp(kube, SAMPLE_IMAGE, options.nodeName, signal);
    await deploySampleDevice(kube, options.nodeName, signal);
    if ((await processes.sensor.pid()) === undefined) await startSensor(processes.sensor, options);
  });
  const tell = (line: string) => progress.say(line);
  const pods = await progress.step("sample app is Available and answers", () => sampleAppServes(kube, tell, signal));
  const twin = await progress.step("device twin went round", () => sampleTwinWentRound(kube, tell, signal));
  for (const one of Object.values(processes)) await one.expectAlive();
  progress.say(summary(options, paths, pods, twin));
}

function expectSameNode(before: UpOptions | undefined, now: UpOptions<AskedPorts>): void {
  if (before === undefined || before.nodeName === now.nodeName) return;
  throw new UserError(
    `${now.stateDir} holds the node ${before.nodeName}: leave out --node-name, choose another --state-dir, ` +
      "or first ./kedge down --purge",
    "node-name",
  );
}

/** What runs keeps its settings: others would be said, and not be so. */
function expectSameSettings(before: UpOptions | undefined, now: UpOptions<AskedPorts>): void {
  if (before === undefined) return;
  const names = Object.keys(now.ports) as (keyof PortNumbers)[];
  // What was started by an earlier version knows fewer ports.
  const known = names.filter((name) => (before.ports as Partial<PortNumbers>)[name] !== undefined);
  const differing = known.find((name) => before.ports[name] !== now.ports[name]);
  if (differing === undefined && before.kubeconfig === now.kubeconfig) return;
  const what =
    differing === undefined
      ? `with ${before.kubeconfig === undefined ? "its own control plane" : `the cluster of ${before.kubeconfig}`}`
      : `with port ${before.ports[differing]} for ${differing}`;
  throw new UserError(`this runs already ${what}: give the same options, or first ./kedge down`, "options");
}

async function expectFreePorts(processes: Record<"cloud" | "edge", ManagedProcess>, options: UpOptions): Promise<void> {
  const { api, mqtt, status, ...ofCloud } = options.ports;
  const cloud = { ...(options.kubeconfig === undefined && { api }), ...ofCloud };
  await expectPortsFree({
    ...((await processes.cloud.pid()) === undefined && cloud),
    ...((await processes.edge.pid()) === undefined && { mqtt, status }),
  });
}

/** What runs keeps the ports that were chosen for it. */
async function choosePorts(
  asked: AskedPorts,
  processes: Record<"cloud" | "edge", ManagedProcess>,
  before: PortNumbers | undefined,
): Promise<PortNumbers> {
  const choose = async (name: MovablePort) => {
    const owner = name === "status" ? processes.edge : processes.cloud;
    const running = (await owner.pid()) === undefined ? undefined : before?.[name];
    return running ?? choosePort(asked[name], PORTS_DEFAULT[name]);
  };
  return {
    ...asked,
    status: await choose("status"),
    monitor: await choose("monitor"),
    tunnel: await choose("tunnel"),
    stream: await choose("stream"),
  };
}

async function startCloud(
  cloud: ManagedProcess,
  paths: StatePaths,
  options: UpOptions,
  signal: AbortSignal,
): Promise<KubeClient> {
  if ((await cloud.pid()) === undefined) {
    await writeCloudConfig(paths, options);
    const program =
      options.kubeconfig === undefined
        ? [...programCommand("kedge"), "control-plane", "--state-dir", paths.stateDir]
        : programCommand("cloudcore");
    const own = ["--api-port", String(options.ports.api), "--volumes-of", options.nodeName];
    if (options.kubeconfig !== undefined) {
      await using kube = connectKube(loadKubeconfig(options.kubeconfig));
      await applyCrds(kube, signal);
    }
    await cloud.start([...program, "--config", paths.cloud.config, ...(options.kubeconfig === undefined ? own : [])]);
  }
  const kubeconfig = options.kubeconfig ?? paths.kubeconfig;
  await waitUntil(
    "cloudcore becoming ready",
    async () => {
      await cloud.expectAlive();
      if (!existsSync(kubeconfig)) return undefined;
      await using kube = connectKube(loadKubeconfig(kubeconfig));
      return await joinToken(kube, signal);
    },
    () => `see ${cloud.logFile}`,
    CLOUD_READY_TIMEOUT_MS,
    signal,
  );
  return connectKube(loadKubeconfig(kubeconfig));
}

/** The token that CloudHub keeps for edges that join, as soon as it is there. */
async function joinToken(kube: KubeClient, signal: AbortSignal): Promise<string | undefined> {
  try {
    const secret = await kube.get(SECRETS, { namespace: "kubeedge", name: "tokensecret" }, signal);
    const data = secret.data?.["tokendata"];
    return data === undefined ? undefined : Buffer.from(data, "base64").toString();
  } catch (error) {
    if (hasCode(error, "NotFound") || hasCode(error, "Unreachable")) return undefined;
    throw error;
  }
}

async function startEdge(
  kube: KubeClient,
  edge: ManagedProcess,
  paths: StatePaths,
  options: UpOptions,
  signal: AbortSignal,
): Promise<Node> {
  let startedAtMs = 0;
  if ((await edge.pid()) === undefined) {
    startedAtMs = Date.now();
    await writeEdgeConfig(paths, options, (await joinToken(kube, signal)) ?? "");
    await edge.start([...programCommand("edgecore"), "--config", paths.edge.config]);
  }
  const read = async () => {
    try {
      return await kube.get(NODES, { name: options.nodeName }, signal);
    } catch (error) {
      if (hasCode(error, "NotFound")) return undefined;
      throw error;
    }
  };
  const ready = (node: Node | undefined) => node?.status?.conditions?.find(({ type }) => type === "Ready");
  return waitUntil(
    `node ${options.nodeName} becoming Ready`,
    async () => {
      await edge.expectAlive();
      const node = await read();
      const condition = ready(node);
      // The API may still show what an agent before this one said; times there are whole seconds.
      const fresh = Date.parse(condition?.lastHeartbeatTime ?? "") >= Math.floor(startedAtMs / 1000) * 1000;
      return condition?.status === "True" && fresh ? node : undefined;
    },
    async () => `${ready(await read())?.message ?? "it has not registered"}; see ${edge.logFile}`,
    NODE_READY_TIMEOUT_MS,
    signal,
  );
}

async function startSensor(sensor: ManagedProcess, options: UpOptions): Promise<void> {
  const broker = `mqtt://127.0.0.1:${options.ports.mqtt}`;
  await sensor.start([...programCommand("sensor"), broker, `${SAMPLE_NAMESPACE}/${SAMPLE_DEVICE}`]);
}

function summary(options: UpOptions, paths: StatePaths, pods: readonly Pod[], twin: SampleTwin): string {
  const kubectl = `kubectl --kubeconfig ${options.kubeconfig ?? paths.kubeconfig}`;
  const podRows = pods.map((pod) => [
    "pod",
    pod.metadata?.name ?? "",
    pod.status?.phase ?? "",
    `http://${pod.status?.podIP ?? ""}:${SAMPLE_PORT}/`,
  ]);
  const equal = Number(twin.desired) === Number(twin.reported);
  const target = equal ? "desired = reported" : `desired ${twin.desired}, which this device cannot take`;
  const twinRows = (twin.status.status?.twins ?? []).map(({ propertyName, reported }) => [
    "twin",
    `${SAMPLE_DEVICE}/${propertyName}`,
    reported?.value ?? "",
    propertyName === "target" ? target : "reported",
  ]);
  const rows = [["KIND", "NAME", "STATE", "DETAIL"], ["node", options.nodeName, "Ready", ""], ...podRows, ...twinRows];
  const change = `[{"op":"replace","path":"/spec/properties/0/desired/value","value":"25"}]`;
  return `
${table(rows)}

${whereToLook(options, paths)}
Try:
  ${kubectl} get nodes,pods,devices -o wide
  ${kubectl} logs deployment/hello -f
  ${kubectl} exec -it deployment/hello -- sh
  ${kubectl} port-forward deployment/hello 8080:${SAMPLE_PORT}
  ${kubectl} top node; ${kubectl} top pod
  ${kubectl} scale deployment hello --replicas 3
  ${kubectl} patch device thermometer --type json -p '${change}' && sleep 1 && ${kubectl} get devicestatus thermometer -o yaml
Stop it: ./kedge down${stateDirFlag(options)}`;
}

function whereToLook(options: UpOptions, paths: StatePaths): string {
  const { status, monitor } = options.ports;
  return `Kubeconfig: ${options.kubeconfig ?? paths.kubeconfig}
Health:     http://127.0.0.1:${status}/status (edge), http://127.0.0.1:${monitor}/readyz (cloud)`;
}
