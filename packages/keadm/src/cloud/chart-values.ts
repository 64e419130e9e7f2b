import { readFileSync } from "node:fs";
import { type ConfigSchema, loadConfig, toError } from "@kedge/runtime";
import { parse } from "yaml";
import { KeadmError } from "../keadm-error.ts";
import { RELEASE } from "../release.ts";
import { applySets, parseSets } from "../set-values.ts";

type Labels = Record<string, string>;

/** What of KubeEdge's chart values counts here, under the chart's names. */
export interface ChartValues {
  readonly cloudCore: {
    readonly replicaCount: number;
    readonly hostNetWork: boolean;
    readonly image: {
      readonly repository: string;
      readonly tag: string;
      readonly pullPolicy: string;
      readonly pullSecrets: string[];
    };
    readonly securityContext: { readonly privileged: boolean };
    readonly labels: Labels;
    readonly annotations: Labels;
    readonly nodeSelector: Labels;
    readonly tolerations: object[];
    readonly affinity: object;
    readonly resources: object;
    readonly featureGates: { readonly requireAuthorization: boolean };
    readonly modules: {
      readonly cloudHub: {
        readonly advertiseAddress: string[];
        readonly dnsNames: string[];
        readonly nodeLimit: number | string;
        readonly websocket: { readonly enable: boolean; readonly port: number };
        readonly quic: { readonly enable: boolean; readonly port: number };
        readonly https: { readonly enable: boolean };
      };
      readonly cloudStream: { readonly enable: boolean };
      readonly dynamicController: { readonly enable: boolean };
      readonly router: { readonly enable: boolean };
      readonly taskManager: { readonly enable: boolean };
    };
    readonly service: {
      readonly enable: boolean;
      readonly type: string;
      readonly annotations: Labels;
      readonly cloudhubNodePort: number;
      readonly cloudhubQuicNodePort: number;
      readonly cloudhubHttpsNodePort: number;
      readonly cloudstreamNodePort: number;
      readonly tunnelNodePort: number;
    };
  };
}

const object = (properties: Record<string, ConfigSchema>): ConfigSchema => ({
  type: "object",
  properties,
  default: {},
});
const bool = (fallback: boolean): ConfigSchema => ({ type: "boolean", default: fallback });
const text = (fallback: string): ConfigSchema => ({ type: "string", default: fallback });
const port = (fallback: number): ConfigSchema => ({ type: "integer", minimum: 1, maximum: 65_535, default: fallback });
const texts: ConfigSchema = { type: "array", items: { type: "string" }, default: [] };
const labels: ConfigSchema = { type: "object", additionalProperties: { type: "string" }, default: {} };
const anything = (fallback: unknown): ConfigSchema => ({ default: fallback });
const enable = (fallback: boolean) => object({ enable: bool(fallback) });
/** A part of KubeEdge's chart that is no part of ours; its settings are let through, and mean nothing. */
const elsewhere: ConfigSchema = { type: "object", additionalProperties: {}, default: {} };

const SCHEMA: ConfigSchema<ChartValues> = object({
  appVersion: anything(undefined),
  cloudCore: object({
    replicaCount: { type: "integer", minimum: 1, maximum: 100, default: 1 },
    hostNetWork: bool(true),
    image: object({
      repository: text("kedge/cloudcore"),
      tag: text(`v${RELEASE}`),
      pullPolicy: { type: "string", enum: ["IfNotPresent", "Always", "Never"], default: "IfNotPresent" },
      pullSecrets: texts,
    }),
    securityContext: object({ privileged: bool(false) }),
    labels: { ...labels, default: { "k8s-app": "kubeedge", kubeedge: "cloudcore" } },
    annotations: labels,
    nodeSelector: labels,
    tolerations: anything([]),
    affinity: anything({
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: "node-role.kubernetes.io/edge", operator: "DoesNotExist" }] },
          ],
        },
      },
    }),
    resources: anything({ limits: { cpu: "1", memory: "1Gi" }, requests: { cpu: "100m", memory: "128Mi" } }),
    featureGates: object({ requireAuthorization: bool(false) }),
    modules: object({
      cloudHub: object({
        advertiseAddress: texts,
        dnsNames: texts,
        nodeLimit: anything(1000),
        websocket: object({ enable: bool(true), port: port(10_000) }),
        quic: object({ enable: bool(false), port: port(10_001), maxIncomingStreams: anything(undefined) }),
        https: enable(true),
      }),
      cloudStream: enable(true),
      dynamicController: enable(false),
      router: enable(false),
      taskManager: enable(false),
    }),
    service: object({
      enable: bool(true),
      type: { type: "string", enum: ["ClusterIP", "NodePort", "LoadBalancer"], default: "NodePort" },
      annotations: labels,
      cloudhubNodePort: port(30_000),
      cloudhubQuicNodePort: port(30_001),
      cloudhubHttpsNodePort: port(30_002),
      cloudstreamNodePort: port(30_003),
      tunnelNodePort: port(30_004),
    }),
  }),
  iptablesManager: elsewhere,
  controllerManager: elsewhere,
  admission: elsewhere,
  mosquitto: elsewhere,
}) as ConfigSchema<ChartValues>;

export interface ValueSources {
  /** Files of values, or `version=vX.Y.Z`; later ones go before earlier ones. */
  readonly profiles: readonly string[];
  readonly sets: readonly string[];
  /** Values to begin with, such as those of the release that is there. */
  readonly base?: object;
  readonly version?: string;
  readonly imageRepository?: string;
  readonly advertiseAddress?: string;
}

export interface MergedValues {
  readonly values: ChartValues;
  /** What was given, without defaults: what `--reuse-values` begins with. */
  readonly given: object;
  readonly warnings: readonly string[];
}

const KEYS_ARE =
  "these are the values of KubeEdge's chart, such as cloudCore.hostNetWork: docs/KEADM.md lists them, and keadm manifest shows what comes of them";

/** Defaults, then profiles, then flags, then `--set`. @throws KeadmError `BadInput` */
export function chartValues(sources: ValueSources): MergedValues {
  let given: object = sources.base ?? {};
  for (const profile of sources.profiles) given = mergeValues(given, readProfile(profile));
  const cloudCore = {
    ...(sources.imageRepository !== undefined && {
      image: { repository: `${sources.imageRepository.replace(/\/+$/, "")}/cloudcore` },
    }),
    ...(sources.advertiseAddress !== undefined && {
      modules: { cloudHub: { advertiseAddress: sources.advertiseAddress.split(",").filter((one) => one !== "") } },
    }),
  };
  given = mergeValues(given, { cloudCore });
  if (sources.version !== undefined) given = mergeValues(given, imageTag(sources.version));
  const { values, loaded } = applySets(given, parseSets(sources.sets), (tried) => loadConfig(SCHEMA, tried), KEYS_ARE);
  const { nodeLimit } = loaded.config.cloudCore.modules.cloudHub;
  if (!Number.isSafeInteger(Number(nodeLimit)) || Number(nodeLimit) < 1)
    throw new KeadmError(
      "BadInput",
      "nodeLimit",
      `cloudHub.nodeLimit is ${String(nodeLimit)}: it must be a number above 0`,
    );
  return {
    values: loaded.config,
    given: values,
    warnings: [...loaded.warnings.map(({ message }) => message), ...absentParts(values)],
  };
}

function imageTag(version: string): object {
  if (!/^v?\d[\w.+-]{0,127}$/.test(version))
    throw new KeadmError("BadInput", version, `${version} is no version: write it as v${RELEASE}`);
  return { cloudCore: { image: { tag: version.startsWith("v") ? version : `v${version}` } } };
}

/** FIX: KubeEdge promises `version=vX.Y.Z` and then looks for a file of that name. */
function readProfile(profile: string): object {
  const version = /^version=(.*)$/.exec(profile)?.[1];
  if (version !== undefined) return imageTag(version);
  try {
    const value: unknown = parse(readFileSync(profile, "utf8"), { maxAliasCount: 100 });
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
    throw new Error("it holds no mapping");
  } catch (error) {
    throw new KeadmError(
      "BadInput",
      profile,
      `the values of ${profile} cannot be read (${toError(error).message}): give a YAML file, or version=v${RELEASE}`,
      { cause: error },
    );
  }
}

const ABSENT = ["iptablesManager", "controllerManager", "admission", "mosquitto"] as const;

function absentParts(values: object): string[] {
  return ABSENT.filter(
    (part) => (values as Record<string, { enable?: unknown } | undefined>)[part]?.enable === true,
  ).map((part) => `${part}.enable has no effect: it is no part of Kedge`);
}

/** Mappings are merged; lists and all else are replaced. */
export function mergeValues(base: object, changes: object): object {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(changes) as [string, unknown][]) {
    const before = Object.hasOwn(result, key) ? result[key] : undefined;
    const merged: unknown = isMapping(before) && isMapping(value) ? mergeValues(before, value) : value;
    Object.defineProperty(result, key, { value: merged, enumerable: true, configurable: true, writable: true });
  }
  return result;
}

function isMapping(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
