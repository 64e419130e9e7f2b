import { writeFile } from "node:fs/promises";
import { type Logger, toError } from "@kedge/runtime";

/**
 * Tells the kernel how willingly to kill this agent when memory runs out. Without the right to (CAP_SYS_RESOURCE) it stays as it
 * is, which is no reason not to run.
 *
 * @param score `oomScoreAdj`: −1000 (never) … 1000.
 */
export async function setOwnOomScore(score: number, logger: Logger, path = "/proc/self/oom_score_adj"): Promise<void> {
  try {
    await writeFile(path, String(score));
  } catch (error) {
    logger.debug({ oomScoreAdj: score, error: toError(error) }, "the agent's oom_score_adj stays as it is");
  }
}
