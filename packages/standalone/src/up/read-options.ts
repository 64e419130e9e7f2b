import { UserError } from "../user-error.ts";

const PORT_MAX = 65_535;

/** @throws UserError for what is no port number. */
export function readPort(flag: string): (text: string) => number {
  return (text) => {
    const port = Number(text);
    if (text.trim() !== "" && Number.isInteger(port) && port >= 0 && port <= PORT_MAX) return port;
    throw new UserError(`${flag} ${JSON.stringify(text)} is no port number: give one from 0 to ${PORT_MAX}`, flag);
  };
}

/** @throws UserError for what no node can be called. */
export function readNodeName(text: string): string {
  if (/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/.test(text)) return text;
  throw new UserError(
    `--node-name ${JSON.stringify(text)} is no node name: use lower-case letters, digits, '-' and '.', at most 63`,
    "node-name",
  );
}

/** @throws UserError for an empty path, which would mean wherever we are called. */
export function readStateDir(text: string): string {
  if (text.trim() !== "") return text;
  throw new UserError("--state-dir is empty: name a folder, or leave it out for the default", "state-dir");
}
