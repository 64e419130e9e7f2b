import { mkdir, writeFile } from "node:fs/promises";
import { systemClock } from "@kedge/runtime";
import { connect } from "node:net";
import type { ManagedProcess } from "../managed-process.ts";
import type { StatePaths } from "../state-paths.ts";
import { UserError } from "../user-error.ts";

const CNI_PLUGINS = "/usr/lib/cni";
const READY_TIMEOUT_MS = 30_000;
const READY_POLL_MS = 50;

function configToml(paths: StatePaths, sandboxImage: string): string {
  const quoted = JSON.stringify;
  return `version = 2
root = ${quoted(paths.containerd.root)}
state = ${quoted(paths.run.containerdState)}
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]

[grpc]
  address = ${quoted(paths.run.containerdSocket)}

[ttrpc]
  address = ${quoted(`${paths.run.containerdSocket}.ttrpc`)}

[plugins."io.containerd.internal.v1.opt"]
  path = ${quoted(`${paths.containerd.dir}/opt`)}

[plugins."io.containerd.grpc.v1.cri"]
  # Below our own folder, so that nothing of ours is in /run/netns.
  netns_mounts_under_state_dir = true
  sandbox_image = ${quoted(sandboxImage)}
  # Lowering a score needs CAP_SYS_RESOURCE, which a container host of ours may lack.
  restrict_oom_score_adj = true
  # Nothing of ours uses containerd's own streaming yet; it stays off the network.
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = ${quoted(CNI_PLUGINS)}
    conf_dir = ${quoted(paths.containerd.cniConf)}
`;
}

function cniConfList(paths: StatePaths): object {
  return {
    cniVersion: "0.4.0",
    name: "kedge",
    plugins: [
      {
        type: "bridge",
        bridge: paths.network.bridge,
        isGateway: true,
        ipMasq: true,
        ipam: {
          type: "host-local",
          dataDir: `${paths.run.dir}/ipam`,
          ranges: [[{ subnet: paths.network.subnet }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
}

/** Starts a containerd of our own, with its own socket, state and network, so that the host's stays untouched. */
export async function startContainerd(
  containerd: ManagedProcess,
  paths: StatePaths,
  sandboxImage: string,
  signal: AbortSignal,
): Promise<void> {
  for (const dir of [paths.containerd.root, paths.containerd.cniConf, paths.run.containerdState])
    await mkdir(dir, { recursive: true, mode: 0o711 });
  await writeFile(paths.containerd.config, configToml(paths, sandboxImage));
  await writeFile(`${paths.containerd.cniConf}/10-kedge.conflist`, JSON.stringify(cniConfList(paths), null, 2));
  await containerd.start(["containerd", "--config", paths.containerd.config]);
  const deadline = systemClock.monotonic() + READY_TIMEOUT_MS;
  while (!(await accepts(paths.run.containerdSocket))) {
    await containerd.expectAlive();
    if (systemClock.monotonic() > deadline)
      throw new UserError(`containerd did not open its socket within 30 s; see ${containerd.logFile}`, "containerd");
    await systemClock.sleep(READY_POLL_MS, signal);
  }
}

/** Whether somebody accepts connections on this Unix socket. */
export function accepts(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.once("connect", () => resolve(probe.destroy() !== undefined));
    probe.once("error", () => resolve(false));
  });
}
