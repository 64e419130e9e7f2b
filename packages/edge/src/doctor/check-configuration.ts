import { readFileSync } from "node:fs";
import { loadEdgeCoreConfig } from "@kedge/api";
import { type Finding, found, toError } from "@kedge/runtime";
import { hostFacts } from "../edgecore-host.ts";
import { SUPPORTED_SWITCHES } from "../edgecore.ts";
import { nodeReporterConfig } from "../edged/edged-settings.ts";
import { checkNodeConfig } from "../edged/node/check-node-config.ts";
import { edgeHubConfig } from "../edgehub/edgehub-config.ts";
import type { EdgeFacts } from "./edge-facts.ts";

const NODE_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
/** The name is also the value of the label `kubernetes.io/hostname`. */
const NODE_NAME_CHARS_MAX = 63;
const MINCONFIG = "edgecore --minconfig";

/** As edgecore reads it at its start, with what only some part of it refuses. */
export function checkConfiguration(facts: EdgeFacts): Finding {
  const { configPath } = facts;
  let text: string;
  try {
    text = readFileSync(configPath, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM")
      return found.failed(`${configPath} is not yours to read`, "run as root: sudo, and the same command");
    return found.failed(
      `${configPath} cannot be read: ${toError(error).message}`,
      `name the file with --config, or write one: ${MINCONFIG} > ${configPath}`,
    );
  }
  try {
    const { config, warnings } = loadEdgeCoreConfig(text, hostFacts(), { supported: SUPPORTED_SWITCHES });
    if (config.modules.edgeHub.enable) edgeHubConfig(config);
    checkNodeConfig(nodeReporterConfig(config, ""));
    facts.config = config;
    if (warnings.length === 0) return found.ok(`${configPath} loads`);
    return found.warning(
      `${configPath} loads, but: ${warnings.map(({ message }) => message).join("; ")}`,
      "remove or correct these keys",
    );
  } catch (error) {
    return found.failed(
      `${configPath}: ${toError(error).message.replaceAll(/\s*\n\s*/g, " ")}`,
      `correct it; ${MINCONFIG} shows what is expected`,
    );
  }
}

export function checkNodeName({ config }: EdgeFacts): Finding {
  if (config === undefined) return found.skipped("needs the configuration");
  const name = config.modules.edged.hostnameOverride;
  const fix = "set modules.edged.hostnameOverride: lower-case letters, digits, '-' and '.', at most 63";
  if (name.length > NODE_NAME_CHARS_MAX) return found.failed(`"${name}" has ${name.length} characters`, fix);
  if (!NODE_NAME.test(name)) return found.failed(`"${name}" is no node name`, fix);
  return found.ok(name);
}
