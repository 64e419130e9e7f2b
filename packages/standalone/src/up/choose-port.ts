import { once } from "node:events";
import { createServer } from "node:net";
import { isPortFree } from "@kedge/runtime";

const LOOPBACK = "127.0.0.1";

/**
 * The port for something that nobody needs to find at a fixed place: the usual one, or any free one if another agent or
 * cloudcore of this host has it.
 *
 * @param given the user's choice: taken as it is, but for 0, which is any free one.
 */
export async function choosePort(given: number | undefined, usual: number): Promise<number> {
  if (given !== undefined && given !== 0) return given;
  if (given === undefined && (await isPortFree(usual, LOOPBACK))) return usual;
  const probe = createServer().listen(0, LOOPBACK);
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  return typeof address === "object" && address !== null ? address.port : usual;
}
