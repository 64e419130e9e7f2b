import assert from "node:assert/strict";
import { test } from "node:test";
import { parseResourceMetrics } from "./parse-resource-metrics.ts";
import { usageBetween } from "./usage-rate.ts";

const TEXT = `# HELP node_cpu_usage_seconds_total Processor time
# TYPE node_cpu_usage_seconds_total counter
node_cpu_usage_seconds_total 120.5 1700000000000
node_memory_working_set_bytes 1.048576e+06 1700000000500
container_cpu_usage_seconds_total{container="main",namespace="default",pod="web"} 1.5 1700000000000
container_memory_working_set_bytes{container="main",namespace="default",pod="web"} 4096 1700000000000
container_cpu_usage_seconds_total{container="half",namespace="default",pod="web"} 1
container_start_time_seconds{container="main",namespace="default",pod="web"} 1
nonsense {{{
`;

test("reads processor and memory of node and containers, and leaves out what is not whole", () => {
  const { node, containers } = parseResourceMetrics(TEXT, 7);
  assert.deepEqual(node, { atMs: 1_700_000_000_000, cpuSeconds: 120.5, memoryBytes: 1_048_576 });
  assert.deepEqual(
    [...containers],
    [["default/web/main", { atMs: 1_700_000_000_000, cpuSeconds: 1.5, memoryBytes: 4096 }]],
  );
});

test("a rate needs two looks at the same run", () => {
  const at = (atMs: number, cpuSeconds: number) => ({ atMs, cpuSeconds, memoryBytes: 2048 });
  assert.deepEqual(usageBetween(at(1000, 1), at(3000, 1.5)), { cpu: "250000000n", memory: "2Ki" });
  assert.equal(usageBetween(at(1000, 1), at(1000, 1)), undefined, "the same look twice");
  assert.equal(usageBetween(at(1000, 5), at(3000, 1)), undefined, "the container began anew");
  assert.equal(usageBetween(undefined, at(1000, 1)), undefined);
});
