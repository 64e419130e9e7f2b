import assert from "node:assert/strict";
import { test } from "node:test";
import { MetricsRegistry } from "./metrics-registry.ts";

test("renders gauges, counters and histograms as Prometheus reads them", () => {
  const metrics = new MetricsRegistry();
  metrics.gauge("nodes", "Nodes.", () => 3);
  const counter = metrics.counter("sent_total", "Sent.", "kind");
  counter.add('a"b');
  counter.add('a"b');
  const histogram = metrics.histogram("seconds", "Time.", [0.1, 1]);
  for (const value of [0.05, 0.5, 5]) histogram.observe(value);
  assert.equal(
    metrics.render(),
    `# HELP nodes Nodes.
# TYPE nodes gauge
nodes 3
# HELP sent_total Sent.
# TYPE sent_total counter
sent_total{kind="a\\"b"} 2
# HELP seconds Time.
# TYPE seconds histogram
seconds_bucket{le="0.1"} 1
seconds_bucket{le="1"} 2
seconds_bucket{le="+Inf"} 3
seconds_sum 5.55
seconds_count 3
`,
  );
});

test("label values are bounded", () => {
  const metrics = new MetricsRegistry();
  const counter = metrics.counter("sent_total", "Sent.", "kind");
  for (let at = 0; at < 1_000; at += 1) counter.add(String(at));
  const lines = metrics
    .render()
    .split("\n")
    .filter((line) => line.startsWith("sent_total{"));
  assert.ok(lines.length <= 65);
  assert.ok(lines.some((line) => line.startsWith('sent_total{kind="other"}')));
});
