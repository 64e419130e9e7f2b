import { readFileSync } from "node:fs";
import { type EdgeCoreConfig, loadEdgeCoreConfig } from "@kedge/api";
import { hostFacts, SUPPORTED_SWITCHES } from "@kedge/edge";
import { toError } from "@kedge/runtime";
import { KeadmError } from "../keadm-error.ts";

export interface ReadEdgeCoreFile {
  readonly text: string;
  readonly config: EdgeCoreConfig;
  readonly warnings: readonly string[];
}

/** @throws KeadmError `NotFound` if it cannot be read, `BadConfig` with all that is wrong in it */
export function readEdgeCoreFile(path: string): ReadEdgeCoreFile {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new KeadmError("NotFound", path, `cannot read ${path} (${toError(error).message}): has this host joined?`, {
      cause: error,
    });
  }
  try {
    const { config, warnings } = loadEdgeCoreConfig(text, hostFacts(), { supported: SUPPORTED_SWITCHES });
    return { text, config, warnings: warnings.map(({ message }) => message) };
  } catch (error) {
    throw new KeadmError("BadConfig", path, `${path}: ${toError(error).message}`, { cause: error });
  }
}
