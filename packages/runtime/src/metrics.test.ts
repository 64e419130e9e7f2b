import assert from "node:assert/strict";
import { test } from "node:test";
import { METRIC_SERIES_MAX, Metrics, OVERFLOW } from "./metrics.ts";

test("renders counters, gauges and histograms as Prometheus reads them", () => {
  const metrics = new Metrics();
  const requests = metrics.counter({ name: "requests_total", help: "Requests\nby code.", labels: ["code", "path"] });
  requests.increment({ code: "200", path: "/" });
  requests.add(2, { code: "200", path: "/" });
  requests.increment({ code: "500", path: 'a"b\\c\n' });
  metrics.gauge({ name: "nodes", help: "Nodes." }).set(3);
  metrics.gauge({ name: "read", help: "Read." }, () => 7);
  const seconds = metrics.histogram({ name: "seconds", help: "Seconds.", labels: ["op"] }, [0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 5]) seconds.observe(value, { op: "x" });
  assert.equal(
    metrics.render(),
    `# HELP requests_total Requests\\nby code.
# TYPE requests_total counter
requests_total{code="200",path="/"} 3
requests_total{code="500",path="a\\"b\\\\c\\n"} 1
# HELP nodes Nodes.
# TYPE nodes gauge
nodes 3
# HELP read Read.
# TYPE read gauge
read 7
# HELP seconds Seconds.
# TYPE seconds histogram
seconds_bucket{op="x",le="0.1"} 2
seconds_bucket{op="x",le="1"} 3
seconds_bucket{op="x",le="+Inf"} 4
seconds_sum{op="x"} 5.65
seconds_count{op="x"} 4
`,
  );
});

test("a metric without labels is there from the start, one with labels when it is used", () => {
  const metrics = new Metrics();
  metrics.counter({ name: "a", help: "A." });
  metrics.counter({ name: "b", help: "B.", labels: ["x"] });
  assert.equal(metrics.render(), "# HELP a A.\n# TYPE a counter\na 0\n# HELP b B.\n# TYPE b counter\n");
});

test("label sets are bounded: the rest is counted together", () => {
  const counter = new Metrics().counter({ name: "c", help: "C.", labels: ["id"] });
  for (let index = 0; index < METRIC_SERIES_MAX * 2; index += 1) counter.increment({ id: String(index) });
  const lines = counter.render().split("\n");
  assert.ok(lines.length <= METRIC_SERIES_MAX + 3);
  assert.ok(lines.includes(`c{id="${OVERFLOW}"} ${METRIC_SERIES_MAX}`));
});

test("refuses names twice, names that are none, and counters that shrink", () => {
  const metrics = new Metrics();
  const counter = metrics.counter({ name: "a", help: "A." });
  assert.throws(() => metrics.gauge({ name: "a", help: "A." }), { code: "MetricExists" });
  assert.throws(() => metrics.gauge({ name: "a-b", help: "" }), { code: "BadMetricName" });
  assert.throws(() => counter.add(-1), RangeError);
  assert.throws(() => counter.add(NaN), RangeError);
});
