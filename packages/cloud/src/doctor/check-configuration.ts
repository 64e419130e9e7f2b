import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { loadCloudCoreConfig } from "@kedge/api";
import { type Finding, found, toError } from "@kedge/runtime";
import { CLOUDCORE_SUPPORTED, localAddress } from "../cloudcore.ts";
import type { CloudFacts } from "./cloud-facts.ts";

const MINCONFIG = "cloudcore --minconfig";

/** As cloudcore reads it at its start. */
export function checkConfiguration(facts: CloudFacts): Finding {
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
    const host = { hostname: hostname(), localIP: localAddress() };
    const { config, warnings } = loadCloudCoreConfig(text, host, { supported: CLOUDCORE_SUPPORTED });
    facts.config = config;
    const { enable, websocket } = config.modules.cloudHub;
    if (!enable || !websocket.enable)
      return found.failed(
        "modules.cloudHub or its websocket is off: no edge can connect",
        "set modules.cloudHub.enable and modules.cloudHub.websocket.enable to true",
      );
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
