import { after, before, describe, test } from "node:test";
import { appendFileSync } from "node:fs";
import { toError } from "@kedge/runtime";
import type { PodCase, PodTheme } from "./pod-case.ts";
import { PodRecorder } from "./pod-recorder.ts";
import { PodRun } from "./pod-run.ts";
import type { PodTarget } from "./pod-target.ts";
import { inNamespace } from "./steps.ts";

/** Pods at once; they mostly wait. */
const CONCURRENCY = 10;
const CASE_SECONDS = 60;
/** On top of a case's own time: its namespace, and its end. */
const AROUND_MS = 90_000;

/** Runs cases on a target that is started for them, those that may be side by side. */
export function describeCases(
  name: string,
  themes: readonly PodTheme[],
  start: () => Promise<PodTarget>,
  skip: string | false,
): void {
  describe(name, { skip, concurrency: 1 }, () => {
    const scope = new AsyncDisposableStack();
    let target: PodTarget;
    let recorder: PodRecorder;
    before(async () => {
      target = scope.use(await start());
      recorder = scope.use(new PodRecorder(target));
    });
    after(() => scope.disposeAsync());
    let number = 0;
    const one = (theme: string, podCase: PodCase) => {
      const namespace = `pods-${++number}`;
      const timeoutMs = (podCase.timeoutSeconds ?? CASE_SECONDS) * 1000;
      test(`${theme}: ${podCase.name}`, { timeout: timeoutMs + AROUND_MS }, () =>
        runCase(podCase, target, recorder, namespace, timeoutMs),
      );
    };
    const cases = themes.flatMap((theme) => theme.cases.map((each) => ({ theme: theme.name, each })));
    describe("side by side", { concurrency: CONCURRENCY }, () => {
      for (const { theme, each } of cases) if (each.alone !== true) one(theme, each);
    });
    describe("one by one", { concurrency: 1 }, () => {
      for (const { theme, each } of cases) if (each.alone === true) one(theme, each);
    });
  });
}

async function runCase(
  podCase: PodCase,
  target: PodTarget,
  recorder: PodRecorder,
  namespace: string,
  timeoutMs: number,
): Promise<void> {
  const deadline = AbortSignal.timeout(timeoutMs);
  await using run = new PodRun(target, recorder, namespace, deadline);
  await run.makeNamespace();
  for (const { type, object } of podCase.given ?? [])
    await target.kube.create(type, inNamespace(object, namespace), deadline);
  if (podCase.fromFile === true) await run.createFile(podCase.pod);
  else await run.create(podCase.pod);
  const { steps } = (target.kind === "kedge" ? podCase.differs : undefined) ?? podCase;
  for (const [index, step] of steps.entries())
    try {
      await step(run);
    } catch (error) {
      throw new Error(`step ${index + 1}: ${toError(error).message}\n${run.story()}`, { cause: error });
    } finally {
      if (index === steps.length - 1) record(podCase, run);
    }
}

/** `KEDGE_PODS_RECORD=FILE` has what each pod looked like in the end, to compare targets by what no case asks. */
function record({ name }: PodCase, run: PodRun): void {
  const file = process.env["KEDGE_PODS_RECORD"];
  if (file === undefined) return;
  const digest = run.recorded.digests.at(-1);
  const events = run.events.map(({ type, reason, message }) => `${type} ${reason}: ${message}`).toSorted();
  appendFileSync(file, `${JSON.stringify({ name, digest, events })}\n`);
}
