import { execFile } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { networkInterfaces } from "node:os";
import { promisify } from "node:util";

const run = promisify(execFile);
const ip = async (...args: string[]) => run("ip", args);

/** A network namespace, joined to this host by a pair of interfaces: another machine, as far as the network goes. */
export class TestNetwork implements AsyncDisposable {
  readonly netns: string;
  /** This host's address as seen from inside. */
  readonly hostAddress: string;
  readonly #hostLink: string;

  private constructor(tag: string, prefix: string) {
    this.netns = `kedge-e2e-${tag}`;
    this.hostAddress = `${prefix}.1`;
    this.#hostLink = `ke${tag}`;
  }

  static async create(): Promise<TestNetwork> {
    const tag = randomBytes(4).toString("hex");
    const prefix = freePrefix();
    await using scope = new AsyncDisposableStack();
    const network = scope.use(new TestNetwork(tag, prefix));
    const inside = `kn${tag}`;
    await ip("netns", "add", network.netns);
    await ip("link", "add", network.#hostLink, "type", "veth", "peer", "name", inside, "netns", network.netns);
    await ip("address", "add", `${prefix}.1/24`, "dev", network.#hostLink);
    await ip("link", "set", network.#hostLink, "up");
    await ip("-n", network.netns, "link", "set", "lo", "up");
    await ip("-n", network.netns, "address", "add", `${prefix}.2/24`, "dev", inside);
    await ip("-n", network.netns, "link", "set", inside, "up");
    await ip("-n", network.netns, "route", "add", "default", "via", `${prefix}.1`);
    scope.move();
    return network;
  }

  /** Cuts or mends the line between inside and this host. */
  async setLink(state: "up" | "down"): Promise<void> {
    await ip("link", "set", this.#hostLink, state);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await ip("link", "delete", this.#hostLink).catch(() => undefined); // its peer goes with it
    await ip("netns", "delete", this.netns).catch(() => undefined);
  }
}

/** A /24 that no interface here is in; links of the host itself do not use 10.127. */
function freePrefix(): string {
  const taken = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  for (;;) {
    const prefix = `10.127.${randomInt(1, 255)}`;
    if (!taken.some(({ address }) => address.startsWith(`${prefix}.`))) return prefix;
  }
}
