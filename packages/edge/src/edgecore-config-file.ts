import { chmodSync, closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeSync } from "node:fs";
import { isScalar, parseDocument } from "yaml";

/** Where KubeEdge has it. */
export const EDGECORE_CONFIG_FILE = "/etc/kubeedge/config/edgecore.yaml";
const TOKEN_PATH = ["modules", "edgeHub", "token"];

/** The same text with an empty token; all else, comments included, stays as it is. */
export function withoutToken(yaml: string): string {
  const node = parseDocument(yaml).getIn(TOKEN_PATH, true);
  if (!isScalar(node) || node.range === undefined || node.range === null || node.value === "") return yaml;
  const [start, end] = node.range;
  const lineEnd = yaml.slice(start, end).endsWith("\n") ? "\n" : ""; // a block scalar's range has it
  return `${yaml.slice(0, start)}""${lineEnd}${yaml.slice(end)}`;
}

/** Forgets the join token in the file: whoever reads it later cannot join with it. @throws if it cannot be written */
export function blankToken(path: string): void {
  const before = readFileSync(path, "utf8");
  const after = withoutToken(before);
  if (after === before) return;
  const mode = statSync(path).mode & 0o777;
  const written = `${path}.new`;
  const file = openSync(written, "w", mode);
  try {
    chmodSync(written, mode);
    writeSync(file, after);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(written, path);
}
