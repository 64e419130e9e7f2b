import assert from "node:assert/strict";
import { appendFile, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { hasCode } from "@kedge/runtime";
import { type LogOptions, readLogOptions } from "./log-options.ts";
import { type ContainerLog, LogReader, type LogResume } from "./log-reader.ts";

const NOW_MS = Date.parse("2026-03-01T00:00:00Z");
const signal = () => AbortSignal.timeout(20_000);

interface TestLog extends AsyncDisposable {
  readonly log: ContainerLog;
  running: boolean;
  write(...records: string[]): Promise<void>;
  /** As a kubelet and the runtime do: aside, then a new one. */
  rotate(to: string): Promise<void>;
}

async function testLog(...records: string[]): Promise<TestLog> {
  const directory = await mkdtemp(join(tmpdir(), "kedge-log-"));
  const path = join(directory, "0.log");
  const test_: TestLog = {
    running: false,
    log: { containerId: "c1", path, isRunning: () => Promise.resolve(test_.running) },
    write: (...more) => appendFile(path, more.map((record) => `${record}\n`).join("")),
    async rotate(to) {
      await rename(path, `${path}.${to}`);
      await writeFile(path, "");
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
  await writeFile(path, "");
  await test_.write(...records);
  return test_;
}

function options(query: string): LogOptions {
  return readLogOptions(new URLSearchParams(query), NOW_MS);
}

async function readAll({ log }: TestLog, query: string, resume?: LogResume): Promise<string> {
  const reader = await LogReader.start(log, options(query), resume, signal());
  const chunks: Uint8Array[] = [];
  for await (const chunk of reader.read()) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const T1 = "2026-02-28T23:59:00.000000001Z";
const T2 = "2026-02-28T23:59:50.5Z";
const T3 = "2026-02-28T23:59:59.999999999Z";
const RECORDS = [
  `${T1} stdout F one`,
  `${T1} stderr F two`,
  `${T2} stdout P three, which is `,
  `${T2} stdout P long, `,
  `${T2} stdout F very long`,
  `${T3} stdout F `,
  `${T3} stdout F four`,
];
const LONG = "three, which is long, very long\n";

for (const { query, reads } of [
  { query: "", reads: `one\ntwo\n${LONG}\nfour\n` },
  { query: "tailLines=2", reads: "\nfour\n" },
  { query: "tailLines=3", reads: `${LONG}\nfour\n` },
  { query: "tailLines=0", reads: "" },
  { query: "tailLines=99", reads: `one\ntwo\n${LONG}\nfour\n` },
  { query: "timestamps=true&tailLines=3", reads: `${T2} ${LONG}${T3} \n${T3} four\n` },
  { query: "limitBytes=5", reads: "one\nt" },
  { query: "tailLines=1&limitBytes=2", reads: "fo" },
  { query: "sinceSeconds=10", reads: `${LONG}\nfour\n` },
  { query: "sinceTime=2026-02-28T23:59:59Z", reads: "\nfour\n" },
  { query: "stream=Stderr", reads: "two\n" },
  { query: "stream=Stdout&tailLines=7&limitBytes=6", reads: "one\nth" },
]) {
  test(`reads what ?${query} asks for`, async () => {
    await using log = await testLog(...RECORDS);
    assert.equal(await readAll(log, query), reads);
  });
}

for (const query of [
  "tailLines=-1",
  "tailLines=x",
  "limitBytes=0",
  "sinceSeconds=0",
  "sinceTime=now",
  "follow=maybe",
]) {
  test(`refuses ?${query}`, () => {
    assert.throws(
      () => options(query),
      (error) => hasCode(error, "BadRequest"),
    );
  });
}

test("leaves out what is no record, and what is not whole yet", async () => {
  await using log = await testLog("garbage", `${T1} stdout F good`);
  await appendFile(log.log.path, `${T1} stdout F half`);
  assert.equal(await readAll(log, ""), "good\n");
});

test("follows a log through rotation until its container ends", { timeout: 30_000 }, async () => {
  await using log = await testLog(`${T1} stdout F 0`);
  log.running = true;
  const reader = await LogReader.start(log.log, options("follow=true"), undefined, signal());
  let read = "";
  let next = 1;
  for await (const chunk of reader.read()) {
    read += Buffer.from(chunk).toString();
    if (!read.endsWith(`${next - 1}\n`)) continue;
    if (next === 6) log.running = false;
    if (next === 7) continue;
    if (next % 2 === 0) await log.rotate(`2026010${next}-000000`);
    await log.write(`${T1} stdout F ${next}`);
    next += 1;
  }
  assert.equal(read, "0\n1\n2\n3\n4\n5\n6\n");
});

test("goes on at any byte, as if nothing had happened, through rotation, too", { timeout: 60_000 }, async () => {
  const record = fc.record({
    text: fc.string({ maxLength: 30 }).map((text) => text.replaceAll(/[\r\n]/g, " ")),
    tag: fc.constantFrom("F", "F", "P"),
    stream: fc.constantFrom("stdout", "stderr"),
  });
  const query = fc.constantFrom(
    "",
    "timestamps=true",
    "tailLines=5",
    "limitBytes=100",
    "stream=Stdout",
    "sinceSeconds=20",
  );
  const property = fc.asyncProperty(
    fc.array(record, { minLength: 1, maxLength: 40 }),
    query,
    fc.array(fc.nat(200), { maxLength: 4 }),
    fc.boolean(),
    async (records, asked, cuts, rotates) => {
      await using log = await testLog(
        ...records.map(({ text, tag, stream }, index) => `${index % 3 === 0 ? T1 : T3} ${stream} ${tag} ${text}`),
      );
      const whole = Buffer.from(await readAll(log, asked));
      if (rotates) await log.rotate("20260101-000000");
      // Each time the reader is cut after so many bytes; it knows the last mark, and how much came after it.
      let resume: LogResume | undefined;
      let got = Buffer.alloc(0);
      const start = rotates
        ? await LogReader.start(
            { ...log.log, path: `${log.log.path}.20260101-000000` },
            options(asked),
            undefined,
            signal(),
          )
        : undefined;
      if (start !== undefined) {
        resume = { mark: start.place(), bytes: 0 };
        await start[Symbol.asyncDispose]();
      }
      for (const cut of cuts) {
        await using reader = await LogReader.start(log.log, options(asked), resume, signal());
        const mark = reader.place();
        let bytes = 0;
        for await (const chunk of reader.read()) {
          const taken = chunk.subarray(0, cut - bytes);
          got = Buffer.concat([got, taken]);
          bytes += taken.length;
          if (bytes === cut) break;
        }
        resume = { mark, bytes };
      }
      const rest = await readAll(log, rotates ? `${asked}&follow=true` : asked, resume);
      assert.deepEqual(Buffer.concat([got, Buffer.from(rest)]).toString(), whole.toString());
    },
  );
  await fc.assert(property, { numRuns: 60 });
});

test("says so when the place to go on from was rotated away", async () => {
  await using log = await testLog(...RECORDS);
  const reader = await LogReader.start(log.log, options(""), undefined, signal());
  const mark = reader.place();
  await reader[Symbol.asyncDispose]();
  await rm(log.log.path);
  await writeFile(log.log.path, "");
  await assert.rejects(readAll(log, "", { mark, bytes: 0 }), (error) => hasCode(error, "LogGone"));
  await assert.rejects(readAll(log, "", { mark: "nonsense", bytes: 0 }), (error) => hasCode(error, "BadRequest"));
});

test("a long log's tail is found without reading all of it", async () => {
  const text = "x".repeat(1_000);
  await using log = await testLog(...Array.from({ length: 1_000 }, (_, index) => `${T1} stdout F ${index} ${text}`));
  assert.equal(
    await readAll(log, "tailLines=150"),
    Array.from({ length: 150 }, (_, i) => `${850 + i} ${text}\n`).join(""),
  );
});

test(
  "a tail is the last lines of the whole, wherever blocks and pieces of lines begin",
  { timeout: 30_000 },
  async () => {
    const record = fc.record({ chars: fc.nat(9_000), tag: fc.constantFrom("F", "F", "P"), late: fc.boolean() });
    const property = fc.asyncProperty(
      fc.array(record, { maxLength: 60 }),
      fc.integer({ min: 1, max: 40 }),
      async (all, count) => {
        const records = all.map(
          ({ chars, tag, late }, index) => `${late ? T2 : T1} stdout ${tag} ${index} ${"x".repeat(chars)}`,
        );
        await using log = await testLog(...records, `${T1} stdout F end`);
        const whole = await readAll(log, "");
        const lines = whole.slice(0, -1).split("\n");
        assert.equal(await readAll(log, `tailLines=${count}`), `${lines.slice(-count).join("\n")}\n`);
      },
    );
    await fc.assert(property, { numRuns: 40 });
  },
);
