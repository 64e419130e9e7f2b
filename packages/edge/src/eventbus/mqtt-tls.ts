import { readFileSync } from "node:fs";
import type { EdgeCoreConfig } from "@kedge/api";
import { EventBusError } from "./eventbus-error.ts";

export interface MqttTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** @throws {EventBusError} `TlsFileUnreadable`, naming the key and the file. */
export function readMqttTls(config: EdgeCoreConfig["modules"]["eventBus"]["eventBusTLS"]): MqttTls | undefined {
  if (!config.enable) return undefined;
  return {
    ca: read("tlsMqttCAFile", config.tlsMqttCAFile),
    cert: read("tlsMqttCertFile", config.tlsMqttCertFile),
    key: read("tlsMqttPrivateKeyFile", config.tlsMqttPrivateKeyFile),
  };
}

function read(key: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EventBusError(
      `modules.eventBus.eventBusTLS.${key} cannot be read: ${reason}`,
      { code: "TlsFileUnreadable", key, path },
      { cause },
    );
  }
}
