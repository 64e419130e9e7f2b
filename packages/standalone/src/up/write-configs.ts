import { mkdir, readFile, writeFile } from "node:fs/promises";
import { UP_CONFIG_HEADER } from "@kedge/runtime";
import { stringify } from "yaml";
import type { StatePaths } from "../state-paths.ts";
import type { UpOptions } from "./up-options.ts";

const LOOPBACK = "127.0.0.1";
const RESOLV_CONF = "/etc/resolv.conf";
const NAMESERVERS_MAX = 3;

/**
 * The name servers of a resolv.conf. There is no cluster DNS on one machine: pods that ask for it, as all do that do not
 * say otherwise, get the host's, without a warning for each.
 */
export function nameservers(resolvConf: string): string[] {
  const found = [...resolvConf.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map(([, address = ""]) => address);
  return found.slice(0, NAMESERVERS_MAX);
}

/** `cloudcore.yaml`: only what differs from KubeEdge's defaults, and all of it on loopback. */
export async function writeCloudConfig(paths: StatePaths, options: UpOptions): Promise<void> {
  const pki = `${paths.cloud.dir}/pki`;
  const { cloudHub, https, monitor } = options.ports;
  await mkdir(paths.cloud.dir, { recursive: true, mode: 0o700 });
  await writeConfig(paths.cloud.config, {
    apiVersion: "cloudcore.config.kubeedge.io/v1alpha2",
    kind: "CloudCore",
    commonConfig: { monitorServer: { bindAddress: `${LOOPBACK}:${monitor}` } },
    kubeAPIConfig: { kubeConfig: options.kubeconfig ?? paths.kubeconfig },
    modules: {
      cloudHub: {
        advertiseAddress: [LOOPBACK],
        dnsNames: ["localhost"],
        tlsCAFile: `${pki}/rootCA.crt`,
        tlsCAKeyFile: `${pki}/rootCA.key`,
        tlsCertFile: `${pki}/server.crt`,
        tlsPrivateKeyFile: `${pki}/server.key`,
        websocket: { address: LOOPBACK, port: cloudHub },
        https: { address: LOOPBACK, port: https },
        unixsocket: { enable: false },
      },
      cloudStream: {
        // A cluster of the user's calls us from elsewhere, and proxies nothing to loopback.
        address: options.kubeconfig === undefined ? LOOPBACK : "0.0.0.0",
        tunnelPort: options.ports.tunnel,
        streamPort: options.ports.stream,
        tlsTunnelCAFile: `${pki}/rootCA.crt`,
        tlsTunnelCertFile: `${pki}/server.crt`,
        tlsTunnelPrivateKeyFile: `${pki}/server.key`,
        tlsStreamCAFile: `${pki}/streamCA.crt`,
        tlsStreamCertFile: `${pki}/stream.crt`,
        tlsStreamPrivateKeyFile: `${pki}/stream.key`,
      },
      iptablesManager: { enable: false },
    },
  });
}

/** `edgecore.yaml` of this machine's node; everything of its own below the state directory. */
export async function writeEdgeConfig(paths: StatePaths, options: UpOptions, token: string): Promise<void> {
  const pki = `${paths.edge.dir}/pki`;
  const endpoint = `unix://${paths.run.containerdSocket}`;
  const clusterDNS = nameservers(await readFile(RESOLV_CONF, "utf8").catch(() => ""));
  await mkdir(paths.edge.manifests, { recursive: true, mode: 0o700 });
  await writeConfig(paths.edge.config, {
    apiVersion: "edgecore.config.kubeedge.io/v1alpha2",
    kind: "EdgeCore",
    database: { dataSource: `${paths.edge.dir}/edgecore.db` },
    modules: {
      edged: {
        hostnameOverride: options.nodeName,
        nodeIP: LOOPBACK,
        reportEvent: true,
        rootDirectory: paths.edge.kubelet,
        tailoredKubeletConfig: {
          containerRuntimeEndpoint: endpoint,
          imageServiceEndpoint: endpoint,
          podLogsDir: paths.log.pods,
          staticPodPath: paths.edge.manifests,
          cgroupRoot: paths.cgroup,
          readOnlyPort: options.ports.status,
          // Somebody's own machine may be nearly full for long: pods go only just before it fails. Images have no registry
          // to come back from.
          evictionHard: { "memory.available": "50Mi", "nodefs.available": "256Mi", "imagefs.available": "256Mi" },
          imageGCHighThresholdPercent: 100,
          ...(clusterDNS.length > 0 && { clusterDNS }),
        },
      },
      edgeHub: {
        tlsCaFile: `${pki}/rootCA.crt`,
        tlsCertFile: `${pki}/server.crt`,
        tlsPrivateKeyFile: `${pki}/server.key`,
        httpServer: `https://${LOOPBACK}:${options.ports.https}`,
        websocket: { server: `${LOOPBACK}:${options.ports.cloudHub}` },
        token,
      },
      edgeStream: {
        enable: true,
        server: `${LOOPBACK}:${options.ports.tunnel}`,
        tlsTunnelCAFile: `${pki}/rootCA.crt`,
        tlsTunnelCertFile: `${pki}/server.crt`,
        tlsTunnelPrivateKeyFile: `${pki}/server.key`,
      },
      eventBus: { mqttMode: 0, mqttServerInternal: `tcp://${LOOPBACK}:${options.ports.mqtt}` },
      deviceTwin: { dmiSockPath: `${paths.edge.dir}/` },
    },
  });
}

async function writeConfig(file: string, config: object): Promise<void> {
  await writeFile(file, `${UP_CONFIG_HEADER}\n${stringify(config)}`, { mode: 0o600 });
}
