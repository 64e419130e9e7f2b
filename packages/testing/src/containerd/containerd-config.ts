export interface ContainerdFacts {
  readonly root: string;
  readonly socket: string;
  readonly cniConfDir: string;
  readonly sandboxImage: string;
}

/**
 * Its own root, state, socket and networks, so that the host's containerd never notices.
 * `restrict_oom_score_adj`: without CAP_SYS_RESOURCE runc cannot lower the score, and every sandbox would fail.
 */
export function containerdConfig({ root, socket, cniConfDir, sandboxImage }: ContainerdFacts): string {
  return `version = 2
root = "${root}/root"
state = "${root}/state"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing",
]
[grpc]
  address = "${socket}"
[ttrpc]
  address = "${socket}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "${root}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${sandboxImage}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${cniConfDir}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
`;
}

/** A bridge of its own name and range; `subnet` as in `10.7.3.0/24`. */
export function cniConfig(name: string, bridge: string, subnet: string, dataDir: string): string {
  const plugins = [
    {
      type: "bridge",
      bridge,
      isGateway: true,
      ipMasq: false,
      hairpinMode: true,
      ipam: { type: "host-local", dataDir, ranges: [[{ subnet }]], routes: [{ dst: "0.0.0.0/0" }] },
    },
    { type: "portmap", capabilities: { portMappings: true } },
  ];
  return JSON.stringify({ cniVersion: "0.4.0", name, plugins });
}

export const LOOPBACK_CONFIG = JSON.stringify({ cniVersion: "0.4.0", name: "lo", plugins: [{ type: "loopback" }] });
