import { PODS } from "@kedge/kube";
import { sleeper, type TestBed } from "../test/e2e/test-bed.ts";
import { percentile, type Report } from "./report.ts";
import { StreamClient } from "./stream-client.ts";

const LINES = 60_000;
/** With its time and stream a line of 100 characters takes 150 bytes: the log stays below the size at which it is rotated. */
const SCRIPT = `i=0; while [ $i -lt ${LINES} ]; do echo "$i $PAD"; i=$((i+1)); done; while :; do sleep 1; done`;
const PAD = "x".repeat(90);
const FIRST_BYTE_ROUNDS = 40;
const WHOLE_ROUNDS = 5;
const STREAMS = 100;
const STREAM_LINES = 5_000;
const WAIT_MS = 120_000;

/** Logs from API to container and back: how soon they begin, and how fast they come, alone and with a hundred at once. */
export async function logsThroughput(bed: TestBed, report: Report): Promise<void> {
  using client = new StreamClient(bed.cloud.kubeconfig);
  const name = "chatter";
  const [container] = sleeper(name, bed.node.name).spec?.containers ?? [];
  if (container === undefined) throw new Error("a sleeper has a container");
  const talks = { ...container, command: ["sh", "-c", SCRIPT], env: [{ name: "PAD", value: PAD }] };
  await bed.cloud.kube.create(
    PODS,
    sleeper(name, bed.node.name, { containers: [talks] }),
    AbortSignal.timeout(WAIT_MS),
  );
  await bed.podReady(name);
  await untilWritten(client, name);

  const figure = { bench: "logs-throughput" } as const;
  const firsts: number[] = [];
  for (let round = 0; round < FIRST_BYTE_ROUNDS; round++)
    firsts.push((await client.readLog(name, "tailLines=10")).firstByteMs);
  report({ ...figure, metric: "first byte, 1 stream, p50", value: percentile(firsts, 0.5), unit: "ms", target: 50 });
  report({ ...figure, metric: "first byte, 1 stream, p99", value: percentile(firsts, 0.99), unit: "ms" });

  const rates: number[] = [];
  for (let round = 0; round < WHOLE_ROUNDS; round++) rates.push(await rateOf(() => client.readLog(name, "")));
  report({ ...figure, metric: "1 stream, p50", value: percentile(rates, 0.5), unit: "MB/s" });

  // Dialling a hundred times is not what a log takes: the connections are there before.
  await Promise.all(Array.from({ length: STREAMS }, () => client.readLog(name, "tailLines=1")));
  {
    using followed = new DisposableStack();
    const opened = Array.from({ length: STREAMS }, () => client.followLog(name, "tailLines=1"));
    for (const stream of await Promise.all(opened)) followed.use(stream);
    const another: number[] = [];
    for (let round = 0; round < FIRST_BYTE_ROUNDS; round++)
      another.push((await client.readLog(name, "tailLines=10")).firstByteMs);
    const metric = `first byte while ${STREAMS} are followed, p50`;
    report({ ...figure, metric, value: percentile(another, 0.5), unit: "ms", target: 50 });
  }
  const small: number[] = [];
  for (let round = 0; round < WHOLE_ROUNDS; round++) {
    const read = Array.from({ length: STREAMS }, () => client.readLog(name, "tailLines=10"));
    small.push(...(await Promise.all(read)).map(({ firstByteMs }) => firstByteMs));
  }
  report({ ...figure, metric: `first byte, ${STREAMS} at once, p50`, value: percentile(small, 0.5), unit: "ms" });
  const many: number[] = [];
  const rate = await rateOf(async () => {
    const read = await Promise.all(
      Array.from({ length: STREAMS }, () => client.readLog(name, `tailLines=${STREAM_LINES}`)),
    );
    many.push(...read.map(({ firstByteMs }) => firstByteMs));
    return { bytes: read.reduce((sum, { bytes }) => sum + bytes, 0) };
  });
  report({ ...figure, metric: `${STREAMS} streams together`, value: rate, unit: "MB/s" });
  report({
    ...figure,
    metric: `first byte, ${STREAMS} long ones at once, p50`,
    value: percentile(many, 0.5),
    unit: "ms",
  });
}

async function untilWritten(client: StreamClient, pod: string): Promise<void> {
  const deadlineMs = performance.now() + WAIT_MS;
  for (let before = -1; ;) {
    const { bytes } = await client.readLog(pod, "");
    if (bytes === before) return;
    if (performance.now() > deadlineMs) throw new Error(`${pod} does not come to an end with its lines`);
    before = bytes;
    await new Promise((resolve) => setTimeout(resolve, 500)); // two looks at the same length: it is done
  }
}

async function rateOf(read: () => Promise<{ readonly bytes: number }>): Promise<number> {
  const startMs = performance.now();
  const { bytes } = await read();
  return bytes / 1e6 / ((performance.now() - startMs) / 1000);
}
