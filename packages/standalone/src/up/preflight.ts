import { existsSync } from "node:fs";
import { mkdir, readFile, rm, statfs, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isPortFree, toError } from "@kedge/runtime";
import { stateDirFlag, type StatePaths } from "../state-paths.ts";
import { UserError } from "../user-error.ts";
import { type OtherUp, otherUps } from "./other-ups.ts";
import type { PortNumbers } from "./up-options.ts";

const FREE_BYTES_MIN = 500 * 1024 * 1024;
const NEEDED_FILES = ["/usr/lib/cni/bridge", "/usr/lib/cni/host-local", "/usr/lib/cni/portmap"];

/** @throws UserError with the first reason why `up` cannot work here; nothing was started then. */
export async function preflight(paths: StatePaths): Promise<void> {
  if (process.platform !== "linux") throw new UserError(`up needs Linux; this is ${process.platform}.`, "system");
  if (process.getuid?.() !== 0)
    throw new UserError("up starts containers and so must run as root: sudo ./kedge up", "root");
  const missing = NEEDED_FILES.find((file) => !existsSync(file));
  if (missing !== undefined)
    throw new UserError(`${missing} is missing: apt-get install containernetworking-plugins`, "cni");
  await expectCgroups();
  await expectWritable(paths.stateDir);
  await expectSpace(paths.stateDir);
}

async function expectCgroups(): Promise<void> {
  const mounts = await readFile("/proc/self/mountinfo", "utf8");
  if (!/ - cgroup2? /.test(mounts))
    throw new UserError("no cgroup file system is mounted, and containers need one (mount /sys/fs/cgroup).", "cgroup");
}

async function expectWritable(stateDir: string): Promise<void> {
  try {
    await makeFolders(stateDir);
    const probe = join(stateDir, ".write-probe");
    await writeFile(probe, Buffer.alloc(4096));
    await rm(probe);
  } catch (error) {
    throw new UserError(
      `cannot write to ${stateDir}: ${toError(error).message}. Choose another place with --state-dir.`,
      "state-dir",
    );
  }
}

/** Each folder on the way by itself: Node's recursive mkdir never returns where a file system answers ENOENT (/proc). */
async function makeFolders(folder: string): Promise<void> {
  const parent = dirname(folder);
  if (parent !== folder && !existsSync(parent)) await makeFolders(parent);
  await mkdir(folder, { mode: 0o711 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

async function expectSpace(stateDir: string): Promise<void> {
  const { bavail, bsize } = await statfs(stateDir);
  const freeBytes = bavail * bsize;
  if (freeBytes >= FREE_BYTES_MIN) return;
  throw new UserError(
    `the disk of ${stateDir} has ${Math.floor(freeBytes / 2 ** 20)} MiB free, and at least 500 MiB are needed. ` +
      "Free some, or choose another place with --state-dir.",
    "disk",
  );
}

const PORT_FLAGS: { readonly [name in keyof PortNumbers]: { readonly purpose: string; readonly flag: string } } = {
  api: { purpose: "the Kubernetes API", flag: "--api-port" },
  cloudHub: { purpose: "CloudHub's WebSocket", flag: "--cloudhub-port" },
  https: { purpose: "CloudHub's certificates", flag: "--https-port" },
  mqtt: { purpose: "the node's MQTT broker", flag: "--mqtt-port" },
  status: { purpose: "edgecore's /status", flag: "--status-port" },
  monitor: { purpose: "cloudcore's /readyz", flag: "--monitor-port" },
  tunnel: { purpose: "nodes' tunnels", flag: "--tunnel-port" },
  stream: { purpose: "kubectl logs and exec", flag: "--stream-port" },
};

/** @throws UserError naming all of these ports that somebody else has, and who that is if it is another `up`. */
export async function expectPortsFree(ports: Partial<PortNumbers>): Promise<void> {
  const taken: { name: keyof PortNumbers; port: number }[] = [];
  for (const [name, port] of Object.entries(ports) as [keyof PortNumbers, number][])
    if (!(await isPortFree(port, "127.0.0.1"))) taken.push({ name, port });
  if (taken.length === 0) return;
  const others = await otherUps();
  const other = others.find((one) => taken.some(({ port }) => Object.values(one.ports).includes(port)));
  throw new UserError(takenPorts(taken, other), `port ${taken[0]?.port ?? ""}`);
}

/** One sentence on what is taken, by whom, and what to do. */
export function takenPorts(taken: readonly { name: keyof PortNumbers; port: number }[], other?: OtherUp): string {
  const one = taken.length === 1;
  const named = taken.map(({ name, port }) => `${port} (${PORT_FLAGS[name].purpose})`);
  const [first] = taken;
  const what =
    one && first !== undefined ? `${first.port}, which ${PORT_FLAGS[first.name].purpose} needs,` : named.join(", ");
  const flags = taken.map(({ name }) => PORT_FLAGS[name].flag).join(", ");
  const verb = one ? "is" : "are";
  const choose = `choose ${one ? "another port" : "other ports"} with ${flags}.`;
  const subject = `port${one ? "" : "s"} ${what} ${verb} taken by`;
  if (other === undefined) {
    const filter = taken.map(({ port }) => `sport = :${port}`).join(" or ");
    const whom = one ? "another program" : "other programs";
    return `${subject} ${whom} (see: ss -ltnp '${filter}'). Stop ${one ? "that program" : "them"}, or ${choose}`;
  }
  const down = `./kedge down${stateDirFlag(other)}`;
  return `${subject} another ./kedge up (node ${other.nodeName}, in ${other.stateDir}). Stop it with ${down}, or ${choose}`;
}
