import { connect } from "node:tls";
import type { X509Certificate } from "node:crypto";
import { NODES } from "@kedge/kube";
import { type Finding, found, isPortFree } from "@kedge/runtime";
import { type CloudFacts, NEEDS_API, NEEDS_CONFIG } from "./cloud-facts.ts";

const ANSWER_MS = 3_000;
const ANSWER_CHARS_MAX = 4 * 1024 * 1024;
const NAMED_MAX = 5;
const EDGE_NODES = { labelSelector: "node-role.kubernetes.io/edge", limit: 500 };
/** Of the node limit: beyond it somebody should know. */
const NEARLY_FULL = 0.9;

/** Asks a running cloudcore how it is. */
export async function checkMonitor(facts: CloudFacts, signal: AbortSignal): Promise<Finding> {
  if (facts.config === undefined) return found.skipped(NEEDS_CONFIG);
  const { bindAddress } = facts.config.commonConfig.monitorServer;
  if (bindAddress.endsWith(":0"))
    return found.skipped("commonConfig.monitorServer.bindAddress has port 0: any free one");
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  const base = `http://${bindAddress.replace(/^0\.0\.0\.0:/, "127.0.0.1:")}`;
  let answers: readonly [ready: Response, metrics: Response];
  try {
    answers = await Promise.all([
      fetch(`${base}/readyz`, { signal: limit }),
      fetch(`${base}/metrics`, { signal: limit }),
    ]);
  } catch {
    return found.ok(`cloudcore does not run here: nobody answers at ${bindAddress}`);
  }
  const [ready, metrics] = answers;
  const [readyText, metricsText] = await Promise.all([ready.text(), metrics.text()]);
  if (!metricsText.includes("KubeEdge_CloudHub_connected_nodes") && ready.status === 404)
    return found.failed(
      `${bindAddress} is taken by another program`,
      "stop that program, or set commonConfig.monitorServer.bindAddress",
    );
  facts.monitor = { ready: ready.ok, readyText, metrics: metricsText.slice(0, ANSWER_CHARS_MAX) };
  if (ready.ok) return found.ok(`cloudcore runs and is ready (${bindAddress})`);
  const wrong = readyText.split("\n").filter((line) => line.startsWith("[-]"));
  return found.failed(
    `cloudcore runs and is not ready: ${wrong.join("; ")}`,
    "see its log; the other checks may tell why",
  );
}

/** Each port must be free, or be held by a cloudcore of this CA. */
export async function checkPorts({ config, ca, monitor }: CloudFacts): Promise<Finding> {
  if (config === undefined) return found.skipped(NEEDS_CONFIG);
  const { cloudHub, cloudStream } = config.modules;
  const { address: streams, tunnelPort, streamPort } = cloudStream;
  const ports = [
    ["cloudHub.websocket.port", cloudHub.websocket],
    ["cloudHub.https.port", cloudHub.https],
    ["cloudStream.tunnelPort", { address: streams, port: cloudStream.enable ? tunnelPort : 0 }],
    ["cloudStream.streamPort", { address: streams, port: cloudStream.enable ? streamPort : 0 }],
  ] as const;
  const said: string[] = [];
  for (const [key, { address, port }] of ports) {
    if (port === 0) continue;
    if (await isPortFree(port, address)) {
      if (monitor?.ready === true)
        return found.failed(
          `cloudcore runs, but does not listen on ${address}:${port}`,
          `does it run with this file? restart cloudcore, or name its file with --config`,
        );
      said.push(`${port} is free`);
      continue;
    }
    const shown = await shownCertificate(port, address);
    if (shown === undefined || (ca !== undefined && !shown.verify(ca.publicKey)))
      return found.failed(
        `${address}:${port} is taken by a program that is not this cloudcore`,
        `see who: ss -ltnp 'sport = :${port}'; stop it, or set modules.${key}`,
      );
    said.push(`${port} is cloudcore's`);
  }
  return found.ok(said.join(", "));
}

/** Compares what the cluster calls edge nodes with who is connected here. */
export async function checkNodes({ kube, config, monitor }: CloudFacts, signal: AbortSignal): Promise<Finding> {
  if (kube === undefined || config === undefined) return found.skipped(NEEDS_API);
  const { items } = await kube.list(NODES, EDGE_NODES, signal);
  const notReady = items.filter(
    ({ status }) => !(status?.conditions ?? []).some(({ type, status: is }) => type === "Ready" && is === "True"),
  );
  const connected = /^KubeEdge_CloudHub_connected_nodes (\d+)/m.exec(monitor?.metrics ?? "")?.[1];
  const { nodeLimit } = config.modules.cloudHub;
  const here = connected === undefined ? "" : `, ${connected} connected here (limit ${nodeLimit})`;
  const detail = `${items.length} edge ${items.length === 1 ? "node" : "nodes"}${here}`;
  if (Number(connected ?? 0) >= NEARLY_FULL * nodeLimit)
    return found.warning(
      `${detail}: nearly as many as may connect`,
      "raise modules.cloudHub.nodeLimit, or add a cloudcore",
    );
  if (notReady.length === 0) return found.ok(detail);
  const names = notReady.slice(0, NAMED_MAX).map(({ metadata }) => metadata?.name ?? "");
  const more = notReady.length > NAMED_MAX ? ` and ${notReady.length - NAMED_MAX} more` : "";
  return found.warning(
    `${detail}; not Ready: ${names.join(", ")}${more}`,
    "on such a host run: edgecore doctor; here see: kubectl describe node NAME",
  );
}

/**
 * Looks at a certificate on this very host and hangs up: nothing is sent, and what is shown is compared by whoever asks.
 *
 * @returns `undefined` if whoever listens there does not speak TLS.
 */
function shownCertificate(port: number, address: string): Promise<X509Certificate | undefined> {
  return new Promise((resolve) => {
    const host = address === "0.0.0.0" ? "127.0.0.1" : address;
    const socket = connect({ port, host, rejectUnauthorized: false });
    const end = (certificate: X509Certificate | undefined) => {
      socket.destroy();
      resolve(certificate);
    };
    socket.setTimeout(ANSWER_MS, () => end(undefined));
    socket.once("error", () => end(undefined));
    socket.once("secureConnect", () => end(socket.getPeerX509Certificate()));
  });
}
