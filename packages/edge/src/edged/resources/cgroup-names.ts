import type { Pod } from "@kedge/kube";
import { safeName } from "../volumes/pod-directory.ts";
import { qosClassOf, type QosClass } from "./qos-class.ts";

export type CgroupDriver = "cgroupfs" | "systemd";

/** From the root of the hierarchy down to one cgroup, without the driver's spelling: `["kubepods", "burstable"]`. */
export type CgroupName = readonly string[];

/** Below `cgroupRoot` (default: the root of the hierarchy) all pods live here. */
export function kubepodsCgroup(cgroupRoot: string = "/"): CgroupName {
  return [
    ...cgroupRoot
      .split("/")
      .filter((element) => element !== "")
      .map(safeName),
    "kubepods",
  ];
}

/** Guaranteed pods have no class of their own: they live beside the two others. */
export function qosCgroup(qosClass: QosClass, cgroupRoot?: string): CgroupName {
  const root = kubepodsCgroup(cgroupRoot);
  return qosClass === "Guaranteed" ? root : [...root, qosClass.toLowerCase()];
}

export function podCgroup(pod: Pod, cgroupRoot?: string): CgroupName {
  return [...qosCgroup(qosClassOf(pod), cgroupRoot), podElement(pod.metadata?.uid ?? "")];
}

export function podElement(podUid: string): string {
  return `pod${safeName(podUid)}`;
}

/** The path of a cgroup below a hierarchy's mount point, and what the runtime gets as `cgroup_parent`. */
export function cgroupPath(name: CgroupName, driver: CgroupDriver): string {
  if (driver === "cgroupfs") return `/${name.join("/")}`;
  // systemd says the whole way in each slice's name, where a dash is the separator.
  const escaped = name.map((element) => element.replaceAll("-", "_"));
  return `/${escaped.map((_, index) => `${escaped.slice(0, index + 1).join("-")}.slice`).join("/")}`;
}

/** A cgroup that the administrator names: `/system.slice`, or with the systemd driver `/system`. */
export function existingCgroupPath(name: string, driver: CgroupDriver): string {
  const elements = name
    .split("/")
    .filter((element) => element !== "")
    .map(safeName);
  const isSlice = elements.at(-1)?.endsWith(".slice") === true;
  return cgroupPath(elements, isSlice ? "cgroupfs" : driver);
}
