import { CriError, type Image, type ImageService, type PodSandboxConfig, type PullRequest } from "@kedge/cri";
import type { Container, Pod, Secret } from "@kedge/kube";
import { type Clock, type Logger, toError, TokenBucket } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";
import { ContainerStartError } from "../edged-error.ts";
import type { EventRecorder } from "../events/event-recorder.ts";
import { BACKOFF_INITIAL_MS, KeyedBackoff } from "../pods/keyed-backoff.ts";
import { type ImageName, parseImageName } from "./image-name.ts";
import { PullGate } from "./pull-gate.ts";
import { pullCredentials, pullSecrets } from "./pull-credentials.ts";

export interface ImageManagerConfig {
  /** At most so many pulls at once. */
  readonly pullsMax: number;
  /** Which pods may start from the image on the node when `Always` cannot ask the registry: see {@link hasRun}. */
  readonly pullAlwaysFallsBackOffline: boolean;
  readonly rate: { readonly perSecond: number; readonly burst: number };
  readonly nodeConfigPaths: readonly string[];
}

export interface ImageManagerDeps {
  readonly images: Pick<ImageService, "imageStatus" | "pullImage">;
  readonly bus: EdgeBus;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** After this, others may pull beside a pull that takes its time, however few may at once. */
const TURN_MS_MAX = 5 * 60_000;
/** A pull that takes longer has lost its registry without being told: it is tried again, and goes on where it was. */
const PULL_MS_MAX = 60 * 60_000;
/** Reasons of failed pulls that are remembered. */
const ERRORS_MAX = 1_000;
/** For so long a failed pull shows as `ErrImagePull`, then, until it is tried again, as `ImagePullBackOff`. */
const PULL_FAILURE_SHOWN_MS = 2_000;

/** Sees to it that a container's image is on the node. */
export class ImageManager {
  readonly #config: ImageManagerConfig;
  readonly #deps: ImageManagerDeps;
  readonly #backoff: KeyedBackoff;
  readonly #gate: PullGate;
  readonly #rate: TokenBucket;
  /** By back-off key: why the last pull failed. */
  readonly #errors = new Map<string, string>();
  #pulls = 0;

  constructor(config: ImageManagerConfig, deps: ImageManagerDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#backoff = new KeyedBackoff(deps.clock);
    this.#gate = new PullGate(config.pullsMax);
    this.#rate = new TokenBucket(config.rate.perSecond, config.rate.burst, deps.clock);
  }

  /**
   * Checks for the image, and pulls it if the policy says so.
   *
   * @returns the image; its `id` is what a container is created from.
   * @throws ContainerStartError with the waiting reason of a kubelet.
   */
  async ensure(pod: Pod, container: Container, sandboxConfig: PodSandboxConfig, signal: AbortSignal): Promise<Image> {
    const { image = "" } = container;
    const name = parseImageName(image);
    if (name === undefined) {
      const message = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`;
      this.#deps.events.warn(pod, "InspectFailed", message, container.name);
      throw new ContainerStartError(message, { code: "InvalidImageName" });
    }
    const present = await this.#inspect(pod, container, name, signal);
    const policy = container.imagePullPolicy ?? (name.full.endsWith(":latest") ? "Always" : "IfNotPresent");
    if (policy === "Never" || (policy === "IfNotPresent" && present !== undefined)) {
      if (present !== undefined) {
        // Users shall hear of a secret that is missing before it matters; who starts does not wait for it.
        this.#secrets(pod, signal).catch(() => undefined);
        this.#deps.events.normal(
          pod,
          "Pulled",
          `Container image "${image}" already present on machine and can be accessed by the pod`,
          container.name,
        );
        return present;
      }
      const message = `Container image "${image}" is not present with pull policy of Never`;
      this.#deps.events.warn(pod, "ErrImageNeverPull", message, container.name);
      throw new ContainerStartError(message, { code: "ErrImageNeverPull" });
    }
    return this.#pullUnlessBackingOff(pod, container, name, present, sandboxConfig, signal);
  }

  /** Forgets the back-offs of a pod that is gone. */
  forget(podUid: string): void {
    this.#backoff.forget(`${podUid}_`);
    for (const key of this.#errors.keys()) if (key.startsWith(`${podUid}_`)) this.#errors.delete(key);
  }

  async #inspect(pod: Pod, container: Container, { full }: ImageName, signal: AbortSignal): Promise<Image | undefined> {
    try {
      return await this.#deps.images.imageStatus(full, signal);
    } catch (error) {
      signal.throwIfAborted();
      const message = `Failed to inspect image "${container.image}": ${toError(error).message}`;
      this.#deps.events.warn(pod, "InspectFailed", message, container.name);
      throw new ContainerStartError(message, { code: "ImageInspectError" }, { cause: error });
    }
  }

  async #pullUnlessBackingOff(
    pod: Pod,
    container: Container,
    name: ImageName,
    present: Image | undefined,
    sandboxConfig: PodSandboxConfig,
    signal: AbortSignal,
  ): Promise<Image> {
    const key = `${pod.metadata?.uid}_${name.full}`;
    const { remainingMs } = this.#backoff.wait(key);
    if (remainingMs > 0) {
      const message = `Back-off pulling image "${container.image}"`;
      this.#deps.events.normal(pod, "BackOff", message, container.name);
      const why = this.#errors.get(key);
      throw new ContainerStartError(why === undefined ? message : `${message}: ${why}`, {
        code: "ImagePullBackOff",
        retryAfterMs: remainingMs,
      });
    }
    try {
      const image = await this.#pull(pod, container, name, sandboxConfig, signal);
      this.#backoff.forget(key);
      this.#errors.delete(key);
      return image;
    } catch (error) {
      signal.throwIfAborted();
      const text = toError(error).message;
      const everybody = this.#config.pullAlwaysFallsBackOffline;
      if (present !== undefined && !isRefusal(error) && (everybody || hasRun(pod, container, present))) {
        const message = `Registry not reachable, using image "${container.image}" as present on machine: ${text}`;
        this.#deps.events.warn(pod, "PullSkipped", message, container.name);
        return present;
      }
      this.#pulls += 1;
      this.#backoff.failed(key, String(this.#pulls), 0, BACKOFF_INITIAL_MS);
      this.#deps.events.warn(pod, "Failed", `Failed to pull image "${container.image}": ${text}`, container.name);
      const code = reasonOf(text);
      this.#errors.set(key, `${code}: ${text}`);
      if (this.#errors.size > ERRORS_MAX)
        for (const oldest of this.#errors.keys()) {
          this.#errors.delete(oldest);
          break;
        }
      const retryAfterMs = PULL_FAILURE_SHOWN_MS;
      throw new ContainerStartError(text, { code, retryAfterMs }, { cause: error });
    }
  }

  async #pull(
    pod: Pod,
    container: Container,
    name: ImageName,
    sandboxConfig: PodSandboxConfig,
    signal: AbortSignal,
  ): Promise<Image> {
    const { images, events, clock, logger } = this.#deps;
    events.normal(pod, "Pulling", `Pulling image "${container.image}"`, container.name);
    const askedAtMs = clock.monotonic();
    const { nodeConfigPaths } = this.#config;
    const secrets = await this.#secrets(pod, signal);
    const credentials = await pullCredentials(secrets, name.repository, { logger, nodeConfigPaths });
    const { id, pullMs } = await this.#inTurn(async () => {
      if (this.#rate.take() > 0) throw new Error("pull QPS exceeded");
      const beganAtMs = clock.monotonic();
      const pulled = await this.#tryEach(name.full, credentials, sandboxConfig, signal);
      return { id: pulled, pullMs: clock.monotonic() - beganAtMs };
    }, signal);
    const image = await images.imageStatus(id, signal);
    if (image === undefined) throw new Error(`image ${id} was pulled, but is gone again: is the disk full?`);
    const waited = `${seconds(pullMs)} (${seconds(clock.monotonic() - askedAtMs)} including waiting)`;
    const message = `Successfully pulled image "${container.image}" in ${waited}. Image size: ${image.size} bytes.`;
    events.normal(pod, "Pulled", message, container.name);
    return image;
  }

  async #secrets(pod: Pod, signal: AbortSignal): Promise<readonly Secret[]> {
    const { secrets, missing } = await pullSecrets(pod, this.#deps, signal);
    if (missing.length > 0)
      this.#deps.events.warn(
        pod,
        "FailedToRetrieveImagePullSecret",
        `Unable to retrieve some image pull secrets (${missing.join(", ")}); attempting to pull the image may not succeed.`,
      );
    return secrets;
  }

  /** One pull must not keep all others waiting for as long as its registry likes. */
  async #inTurn<T>(pull: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const over = new AbortController();
    const pulling = this.#gate.run(async () => {
      const pulled = pull();
      const ended = pulled.then(
        () => undefined,
        () => undefined, // its caller hears of it
      );
      const late = this.#deps.clock.sleep(TURN_MS_MAX, AbortSignal.any([signal, over.signal])).catch(() => undefined);
      await Promise.race([ended, late]);
      over.abort();
      return { pulled };
    }, signal);
    return (await pulling).pulled;
  }

  async #tryEach(
    image: string,
    credentials: readonly NonNullable<Parameters<ImageService["pullImage"]>[0]["auth"]>[],
    sandboxConfig: PodSandboxConfig,
    signal: AbortSignal,
  ): Promise<string> {
    if (credentials.length === 0) return this.#pullOnce({ image, sandboxConfig }, signal);
    const errors: Error[] = [];
    for (const auth of credentials) {
      try {
        return await this.#pullOnce({ image, auth, sandboxConfig }, signal);
      } catch (error) {
        signal.throwIfAborted();
        errors.push(toError(error));
      }
    }
    throw errors.at(-1) ?? new Error("no credential left");
  }

  async #pullOnce(request: PullRequest, signal: AbortSignal): Promise<string> {
    const late = AbortSignal.timeout(PULL_MS_MAX);
    try {
      return await this.#deps.images.pullImage(request, AbortSignal.any([signal, late]));
    } catch (error) {
      signal.throwIfAborted();
      if (!late.aborted) throw error;
      throw new Error(`gave up after ${PULL_MS_MAX / 60_000} minutes: what was loaded by now is kept`, {
        cause: error,
      });
    }
  }
}

/**
 * Whether this very container ran from this very image before: started again from it, it gets nothing that it did not
 * have. So `Always` does not keep a pod from coming back that a crash or a reboot has ended while the registry is away
 * (W-57). Other pods may do so only where the administrator says so: an image may be somebody's secret.
 */
function hasRun({ status = {} }: Pod, { name }: Container, { id, repoDigests }: Image): boolean {
  const statuses = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  const imageID = statuses.find((one) => one.name === name)?.imageID ?? "";
  return imageID !== "" && (imageID === id || repoDigests.includes(imageID));
}

function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)}ms` : `${(ms / 1000).toFixed(3)}s`;
}

function reasonOf(text: string): "ErrImagePull" | "RegistryUnavailable" | "SignatureValidationFailed" {
  if (text.includes("RegistryUnavailable")) return "RegistryUnavailable";
  return text.includes("SignatureValidationFailed") ? "SignatureValidationFailed" : "ErrImagePull";
}

/** The registry was there and said no: then the image on the node is not ours to use either. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof CriError)) return false;
  return (
    ["Unauthenticated", "PermissionDenied", "NotFound", "InvalidArgument"].includes(error.code) ||
    /unauthorized|forbidden|denied|not found|authorization failed/i.test(error.message)
  );
}
