import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { SECRETS } from "@kedge/kube";
import { connectKube, type KubeClient, loadKubeconfig } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";
import { freePort, TestKubernetes, TestProcess } from "@kedge/testing";
import { type CloudProgram, OUR_CLOUD } from "../../test/e2e/test-cloud.ts";
import { missingStockPrograms, STOCK_CLOUD } from "../../test/interop/stock-programs.ts";
import type { IdentitySource } from "./edge-identity.ts";

const READY_MS = 60_000;
const POLL_MS = 50;
const SECRETS_NAMESPACE = "kubeedge";
/** More than any benchmark opens; the default is 1,000. */
const NODE_LIMIT = 20_000;

/** A cloudcore that simulated edges can connect to. */
export interface FleetCloud extends AsyncDisposable {
  readonly kube: KubeClient;
  readonly address: string;
  readonly ports: { readonly cloudHub: number; readonly https: number };
  /** Of cloudcore, where it is ours to measure. */
  readonly pid: number | undefined;
  token(): Promise<string>;
}

/** @param name `kedge` or `stock`. @throws if stock KubeEdge is not built. */
export function cloudProgram(name: "kedge" | "stock"): CloudProgram {
  const missing = name === "stock" && missingStockPrograms();
  if (missing !== false) throw new Error(missing);
  return name === "stock" ? STOCK_CLOUD : OUR_CLOUD;
}

/**
 * A cloudcore on an API server alone: without controllers, which would look after thousands of nodes that send no
 * heartbeat and so use the CPU that is to be measured.
 */
export async function startBareCloud(dir: string, program: CloudProgram): Promise<FleetCloud> {
  await using scope = new AsyncDisposableStack();
  const kubernetes = scope.use(await TestKubernetes.start());
  await kubernetes.kubectl("apply", "-f", join(import.meta.dirname, "../../manifests/crds"));
  const kube = scope.use(kubernetes.connect());
  const ports = { cloudHub: await freePort(), https: await freePort() };
  const configFile = writeConfig(dir, kubernetes.adminKubeconfig, ports);
  const [command = "", ...args] = program(configFile);
  const cloudcore = scope.use(TestProcess.start("cloudcore", command, args, join(dir, "cloudcore.log")));
  const token = () => readSecret(kube, "tokensecret", "tokendata").then((data) => data.toString());
  await Promise.race([token(), cloudcore.ended.then((how) => Promise.reject(new Error(how)))]).catch(
    (error: unknown) => {
      throw new Error(`cloudcore did not become ready:\n${cloudcore.logTail()}`, { cause: error });
    },
  );
  const owned = scope.move();
  return {
    kube,
    address: "127.0.0.1",
    ports,
    pid: cloudcore.pid,
    token,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function writeConfig(dir: string, kubeConfig: string, ports: FleetCloud["ports"]): string {
  const file = join(dir, "cloudcore.yaml");
  const pki = (name: string) => join(dir, "pki", name);
  const config = {
    apiVersion: "cloudcore.config.kubeedge.io/v1alpha2",
    kind: "CloudCore",
    commonConfig: { monitorServer: { bindAddress: "127.0.0.1:0" } },
    kubeAPIConfig: { kubeConfig },
    modules: {
      cloudHub: {
        nodeLimit: NODE_LIMIT,
        advertiseAddress: ["127.0.0.1"],
        tlsCAFile: pki("rootCA.crt"),
        tlsCAKeyFile: pki("rootCA.key"),
        tlsCertFile: pki("server.crt"),
        tlsPrivateKeyFile: pki("server.key"),
        websocket: { address: "0.0.0.0", port: ports.cloudHub },
        https: { address: "0.0.0.0", port: ports.https },
        unixsocket: { enable: false },
      },
      cloudStream: { enable: false },
      iptablesManager: { enable: false },
    },
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

/**
 * A cloudcore that runs already.
 *
 * @param url `wss://host:port` of CloudHub; its certificate must name the host.
 * @param kubeconfig of the cluster that it serves; must be allowed to read its Secrets.
 */
export function runningCloud(url: string, kubeconfig: string, httpsPort = 10_002): FleetCloud {
  const { protocol, hostname: address, port } = new URL(url);
  if (protocol !== "wss:") throw new Error(`--cloudcore takes stock, kedge or wss://host:port, not '${url}'`);
  const kube = connectKube(loadKubeconfig(kubeconfig));
  return {
    kube,
    address,
    ports: { cloudHub: Number(port === "" ? 10_000 : port), https: httpsPort },
    pid: undefined,
    token: () => readSecret(kube, "tokensecret", "tokendata").then((data) => data.toString()),
    [Symbol.asyncDispose]: () => kube[Symbol.asyncDispose](),
  };
}

/** With which simulated edges make their certificates themselves. */
export async function caOf({ kube }: FleetCloud): Promise<IdentitySource> {
  const [certificate, key] = [
    await readSecret(kube, "casecret", "cadata"),
    await readSecret(kube, "casecret", "cakeydata"),
  ];
  return { from: "ca", certificate: certificate.toString("base64"), key: key.toString("base64") };
}

/** With which they get them as edges do. */
export async function tokenOf(cloud: FleetCloud): Promise<IdentitySource> {
  return { from: "token", token: await cloud.token(), httpsPort: cloud.ports.https };
}

async function readSecret(kube: KubeClient, name: string, item: string): Promise<Buffer> {
  const signal = AbortSignal.timeout(READY_MS);
  for (;;) {
    try {
      const { data } = await kube.get(SECRETS, { namespace: SECRETS_NAMESPACE, name }, signal);
      if (data?.[item] !== undefined) return Buffer.from(data[item], "base64");
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
    }
    await delay(POLL_MS, undefined, { signal });
  }
}
