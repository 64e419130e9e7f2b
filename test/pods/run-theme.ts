import { after, before, describe, test } from "node:test";
import { appendFileSync } from "node:fs";
import { toError } from "@kedge/runtime";
import { nothingLeft } from "./left-behind.ts";
import type { PodCase, PodTheme } from "./pod-case.ts";
import { PodFixtures } from "./pod-fixtures.ts";
import { PodRecorder } from "./pod-recorder.ts";
import { PodRun } from "./pod-run.ts";
import type { PodTarget } from "./pod-target.ts";
import { inNamespace } from "./steps.ts";

/** Pods at once; they mostly wait. */
const CONCURRENCY = 10;
const CASE_SECONDS = 60;
/** On top of a case's own time: its namespace, and its end. */
const AROUND_MS = 90_000;
/** A kubelet's housekeeping comes by every two seconds, and its garbage collection every minute. */
const LEFT_MS = 120_000;

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
    let fixtures: PodFixtures;
    before(async () => {
      target = scope.use(await startTwice(start));
      fixtures = scope.use(await PodFixtures.start(target));
      recorder = scope.use(new PodRecorder(target));
    });
    after(() => scope.disposeAsync());
    let number = 0;
    const one = (theme: string, podCase: PodCase) => {
      const namespace = `pods-${++number}`;
      const timeoutMs = (podCase.timeoutSeconds ?? CASE_SECONDS) * 1000;
      test(`${theme}: ${podCase.name}`, { timeout: timeoutMs + AROUND_MS }, (t) => {
        if (target.kind === "kubelet" && podCase.unsteady !== undefined) return t.skip(podCase.unsteady);
        return runCase(podCase, { target, recorder, fixtures }, namespace, timeoutMs);
      });
    };
    const cases = themes.flatMap((theme) => theme.cases.map((each) => ({ theme: theme.name, each })));
    describe("side by side", { concurrency: CONCURRENCY }, () => {
      for (const { theme, each } of cases) if (each.alone !== true) one(theme, each);
    });
    describe("one by one", { concurrency: 1 }, () => {
      for (const { theme, each } of cases) if (each.alone === true) one(theme, each);
    });
    test("at the end the node has nothing left of them", { timeout: 2 * LEFT_MS }, () =>
      nothingLeft(target, new Set(), LEFT_MS),
    );
  });
}

/** A port that was free a moment ago may be taken when it is used: then once more. */
async function startTwice(start: () => Promise<PodTarget>): Promise<PodTarget> {
  try {
    return await start();
  } catch (error) {
    if (!toError(error).message.includes("EADDRINUSE")) throw error;
    return start();
  }
}

interface World {
  readonly target: PodTarget;
  readonly recorder: PodRecorder;
  readonly fixtures: PodFixtures;
}

async function runCase(
  podCase: PodCase,
  { target, recorder, fixtures }: World,
  namespace: string,
  timeoutMs: number,
): Promise<void> {
  const deadline = AbortSignal.timeout(timeoutMs);
  await using run = new PodRun(target, recorder, fixtures.for(target, namespace), namespace, deadline);
  await run.makeNamespace();
  const given = [...(podCase.given ?? []), ...(podCase.givenOf?.(run.fixtures) ?? [])];
  for (const { type, object, cluster } of given)
    await target.kube.create(type, cluster === true ? object : inNamespace(object, namespace), deadline);
  const pod = typeof podCase.pod === "function" ? podCase.pod(run.fixtures) : podCase.pod;
  if (podCase.fromFile === true) await run.createFile(pod);
  else await run.create(pod);
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
