import { isIP } from "node:net";
import { KeadmError } from "../keadm-error.ts";

/** The flags of `keadm join` as commander hands them over. */
export interface JoinFlags {
  cloudcoreIpport: string;
  token?: string;
  certport?: string;
  edgenodeName?: string;
  kubeedgeVersion?: string | true;
  /** Default: the one of the configuration that is there, or containerd's. */
  remoteRuntimeEndpoint?: string;
  cgroupdriver?: string;
  certPath?: string;
  hubProtocol: string;
  labels: string[];
  imageRepository?: string;
  tarballpath?: string;
  set: string[];
  preRun?: string;
  postRun?: string;
  rootDir: string;
  timeout: number;
  skipPreflightChecks: boolean;
  output: string;
}

/** Where the cloud is, in the three forms in which `edgecore.yaml` wants it. */
export interface CloudAddress {
  readonly host: string;
  /** `host:10000` */
  readonly cloudHub: string;
  /** `https://host:10002` */
  readonly https: string;
  /** `host:10001` */
  readonly quic: string;
  /** `host:10004` */
  readonly tunnel: string;
}

const CERT_PORT_DEFAULT = "10002";
const QUIC_PORT = 10_001;
const TUNNEL_PORT = 10_004;

/** @param address `host:port`; an IPv6 address is in brackets. @throws KeadmError `BadInput` */
export function cloudAddress(address: string, certPort: string = CERT_PORT_DEFAULT): CloudAddress {
  const [, bracketed, plain, port = ""] = /^(?:\[([^\]]+)\]|([^:[\]/]+)):(\d+)$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || !isPort(port) || (bracketed !== undefined && isIP(bracketed) !== 6))
    throw new KeadmError(
      "BadInput",
      "--cloudcore-ipport",
      `-e ${address} is no address: write it as host:port, such as 192.0.2.10:10000 or [2001:db8::10]:10000`,
    );
  if (!isPort(certPort))
    throw new KeadmError("BadInput", "--certport", `--certport ${certPort} is no port: write a number from 1 to 65535`);
  const inUrl = bracketed === undefined ? host : `[${host}]`;
  return {
    host,
    cloudHub: `${inUrl}:${port}`,
    https: `https://${inUrl}:${certPort}`,
    quic: `${inUrl}:${QUIC_PORT}`,
    tunnel: `${inUrl}:${TUNNEL_PORT}`,
  };
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}

const NODE_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
/** The node's name becomes a label's value, too. */
const NODE_NAME_CHARS_MAX = 63;

/** @throws KeadmError `BadInput` */
export function expectNodeName(name: string): string {
  if (name.length <= NODE_NAME_CHARS_MAX && NODE_NAME.test(name)) return name;
  throw new KeadmError(
    "BadInput",
    "--edgenode-name",
    `${JSON.stringify(name)} cannot be a node's name: lower-case letters, digits, "-" and ".", at most ${NODE_NAME_CHARS_MAX}; give another with -i`,
  );
}

const LABELS_MAX = 100;
const LABEL =
  /^((?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?)(?:=((?:[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?)?))?$/;

/** @param texts each `key=value`, or several with commas between. @throws KeadmError `BadInput` */
export function nodeLabels(texts: readonly string[]): Record<string, string> {
  const labels = texts.flatMap((text) => text.split(",")).filter((text) => text !== "");
  if (labels.length > LABELS_MAX)
    throw new KeadmError(
      "BadInput",
      "--labels",
      `these are ${labels.length} labels: at most ${LABELS_MAX} can be given`,
    );
  return Object.fromEntries(
    labels.map((label) => {
      const [, key, value = ""] = LABEL.exec(label) ?? [];
      if (key === undefined)
        throw new KeadmError("BadInput", "--labels", `-l ${label} is no label: write it as key=value`);
      return [key, value];
    }),
  );
}

/** Flags of KubeEdge that we take, and that change nothing here; told so that nobody wonders. */
export function idleFlags(flags: JoinFlags, version: string): string[] {
  const warnings: string[] = [];
  const idle = (flag: string, why: string) => warnings.push(`${flag} has no effect: ${why}`);
  if (flags.kubeedgeVersion !== undefined)
    idle("--kubeedge-version", `edgecore is the one of this release, v${version}, and nothing is downloaded`);
  if (flags.tarballpath !== undefined) idle("--tarballpath", "edgecore comes with keadm, and nothing is downloaded");
  if (flags.imageRepository !== undefined)
    idle(
      "--image-repository",
      "no installation image is pulled; the sandbox image is the container runtime's own setting",
    );
  return warnings;
}
