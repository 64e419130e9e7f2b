import type * as PluginServicesModule from "./plugin-services.ts";

export type PluginServices = typeof PluginServicesModule;

/** What speaks to plugins, loaded when the first one is there: a node without plugins does not pay for it. */
export function loadPluginServices(): Promise<PluginServices> {
  return import("./plugin-services.ts");
}
