import { CriClient, CriError } from "@kedge/cri";
import { KeadmError } from "../keadm-error.ts";
import type { Session } from "../session.ts";
import { runtimeCheck } from "./runtime-checks.ts";

/** An image of some hundred megabytes over a slow line. */
const PULL_MS_MAX = 10 * 60_000;

/** Pulls with this host's container runtime, which is looked at first. @throws KeadmError naming socket or image */
export async function pullImages(images: readonly string[], endpoint: string, session: Session): Promise<void> {
  session.tell(`  ✓ container runtime: ${await runtimeCheck(endpoint).run(session.signal)}`);
  using cri = new CriClient({ runtimeEndpoint: endpoint, timeoutMs: PULL_MS_MAX });
  for (const image of images) {
    session.tell(`  … pulling ${image}, for up to ${PULL_MS_MAX / 60_000} minutes`);
    const limit = AbortSignal.any([session.signal, AbortSignal.timeout(PULL_MS_MAX)]);
    try {
      await session.step(image, () => cri.images.pullImage({ image }, limit));
    } catch (error) {
      session.signal.throwIfAborted();
      if (!limit.aborted && !(error instanceof CriError)) throw error;
      const why = limit.aborted ? `it took more than ${PULL_MS_MAX / 60_000} minutes` : (error as CriError).message;
      throw new KeadmError(
        "ProgramFailed",
        image,
        `${image} cannot be pulled (${why}): check --image-repository, and that this host reaches the registry`,
        { cause: error },
      );
    }
    session.print(image);
  }
}
