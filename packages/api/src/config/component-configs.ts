import { type ConfigSchema, loadConfig, type LoadConfigOptions, type LoadedConfig, renderConfig } from "@kedge/runtime";
import { CLOUD_CORE_SCHEMA } from "../generated/cloudcore-schema.ts";
import { EDGE_CORE_SCHEMA } from "../generated/edgecore-schema.ts";
import type { CloudCoreConfig } from "./cloudcore-config.ts";
import type { EdgeCoreConfig } from "./edgecore-config.ts";

/** What the defaults of a configuration need to know of the machine. */
export interface HostFacts {
  /** The node's name where the file says none. */
  readonly hostname: string;
  /** The address on the default route. */
  readonly localIP: string;
}

type Options = Pick<LoadConfigOptions, "supported">;

/** Reads a `cloudcore.yaml`. @throws ConfigError with all that is wrong */
export function loadCloudCoreConfig(
  source: string | object,
  host: HostFacts,
  options: Options = {},
): LoadedConfig<CloudCoreConfig> {
  return loadConfig(CLOUD_CORE_SCHEMA, source, { ...options, variables: { ...host } });
}

/** Reads an `edgecore.yaml`. @throws ConfigError with all that is wrong */
export function loadEdgeCoreConfig(
  source: string | object,
  host: HostFacts,
  options: Options = {},
): LoadedConfig<EdgeCoreConfig> {
  return loadConfig(EDGE_CORE_SCHEMA, source, { ...options, variables: { ...host } });
}

/** What `cloudcore --defaultconfig` prints: YAML with every key. */
export const defaultCloudCoreConfig = (host: HostFacts): string => render(CLOUD_CORE_SCHEMA, "full", host);
/** What `cloudcore --minconfig` prints: YAML with what people commonly change. */
export const minCloudCoreConfig = (host: HostFacts): string => render(CLOUD_CORE_SCHEMA, "minimal", host);
/** What `edgecore --defaultconfig` prints: YAML with every key. */
export const defaultEdgeCoreConfig = (host: HostFacts): string => render(EDGE_CORE_SCHEMA, "full", host);
/** What `edgecore --minconfig` prints: YAML with what people commonly change. */
export const minEdgeCoreConfig = (host: HostFacts): string => render(EDGE_CORE_SCHEMA, "minimal", host);

const HEADERS = {
  full: "All keys with their defaults. Take it as a reference, or as a start for a file of your own.",
  minimal: "The keys that are commonly changed, with their defaults. All others keep their defaults.",
};

function render(schema: ConfigSchema, extent: "full" | "minimal", host: HostFacts): string {
  return renderConfig(schema, extent, { ...host }, HEADERS[extent]);
}
