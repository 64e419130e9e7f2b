/**
 * The command, run in a network namespace of `ip netns`. Not by `ip netns exec`: that mounts a new /sys, in which there
 * are no cgroups.
 */
export function inNetns(netns: string | undefined, command: readonly string[]): readonly string[] {
  return netns === undefined ? command : ["nsenter", `--net=/run/netns/${netns}`, "--", ...command];
}
