import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger } from "@kedge/runtime";
import { TestContainerd } from "@kedge/testing";
import { parseCgroupHierarchies } from "../src/edged/resources/cgroup-hierarchies.ts";
import { podOf, startTestEdged } from "./edged-harness.ts";

const MIB = 1024 ** 2;
const hierarchies = parseCgroupHierarchies(readFileSync("/proc/self/mountinfo", "utf8"));
const memory = hierarchies.find(({ controllers }) => controllers.includes("memory"));
// cgroup v2 takes any limit, and kills at once.
const skip = TestContainerd.missing() || (memory?.version === 1 ? false : "needs cgroup v1's memory controller");

test(
  "all pods may use what is left before eviction thresholds; a limit that the kernel refuses is told",
  { skip, timeout: 60_000 },
  async () => {
    await using containerd = await TestContainerd.start();
    const warnings: { readonly facts: object; readonly message: string }[] = [];
    const warn = (facts: object | string, message = "") =>
      void (typeof facts === "object" && warnings.push({ facts, message }));
    const limit = { cpu: "2", memory: `${512 * MIB}` };
    const node = { allocatable: () => ({ cpu: "2", memory: `${256 * MIB}`, pods: "9" }), podsLimit: () => limit };
    await using edged = await startTestEdged(containerd, { logger: { ...silentLogger, warn }, node });
    const path = join(memory?.mountPoint ?? "", edged.config.cgroupRoot, "kubepods", "memory.limit_in_bytes");
    assert.equal(readFileSync(path, "utf8").trim(), String(512 * MIB));

    const { meta } = edged;
    // 4 MiB of text in a shell's variable: no page of it can be written back to a file.
    meta.apply(podOf("uses", "text=$(head -c 3145728 /dev/zero | base64); while :; do sleep 1; done"));
    await meta.untilReady("uses");
    limit.memory = "4096";
    await edged.restart();
    const told = warnings.find(({ message }) => message.startsWith("a limit of all pods is not set"));
    assert.match(JSON.stringify(told?.facts), /memory\.limit_in_bytes/);
    assert.equal(meta.get("uses")?.status?.phase, "Running");
  },
);
