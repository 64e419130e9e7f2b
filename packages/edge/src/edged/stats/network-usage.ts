import { readFile } from "node:fs/promises";

export interface InterfaceUsage {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxErrors: number;
  readonly txBytes: number;
  readonly txErrors: number;
}

/** What went over the interfaces that a process sees, loopback left out. @returns undefined if it is gone. */
export async function networkUsage(process: number | "self"): Promise<InterfaceUsage[] | undefined> {
  const text = await readFile(`/proc/${process}/net/dev`, "utf8").catch(() => undefined);
  return text === undefined ? undefined : parseNetDev(text);
}

/** @param text of `/proc/net/dev`: two lines of heads, then `name: rx… (8 columns) tx… (8 columns)`. */
export function parseNetDev(text: string): InterfaceUsage[] {
  return text
    .split("\n")
    .slice(2)
    .flatMap((line) => {
      const [name = "", columns = ""] = line.split(":").map((part) => part.trim());
      if (name === "" || name === "lo") return [];
      const numbers = columns.split(/\s+/).map(Number);
      const [rxBytes = 0, , rxErrors = 0] = numbers;
      const [txBytes = 0, , txErrors = 0] = numbers.slice(8);
      return [{ name, rxBytes, rxErrors, txBytes, txErrors }];
    });
}

/** The one that leads out: what a summary shows at its top. */
export function mainInterface(interfaces: readonly InterfaceUsage[]): InterfaceUsage | undefined {
  return interfaces.find(({ name }) => name === "eth0") ?? interfaces[0];
}
