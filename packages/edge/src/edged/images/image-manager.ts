import { CriError, type Image, type ImageService, type PodSandboxConfig } from "@kedge/cri";
import type { Container, Pod } from "@kedge/kube";
import { type Clock, type Logger, toError } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";
import { ContainerStartError } from "../edged-error.ts";
import type { EventRecorder } from "../events/event-recorder.ts";
import { BACKOFF_INITIAL_MS, KeyedBackoff } from "../pods/keyed-backoff.ts";
import { type ImageName, parseImageName } from "./image-name.ts";
import { PullGate } from "./pull-gate.ts";
import { pullCredentials } from "./pull-credentials.ts";

export interface ImageManagerConfig {
  /** At most so many pulls at once. */
  readonly pullsMax: number;
  readonly pullAlwaysFallsBackOffline: boolean;
  readonly nodeConfigPaths: readonly string[];
}

export interface ImageManagerDeps {
  readonly images: ImageService;
  readonly bus: EdgeBus;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** For so long a failed pull shows as `ErrImagePull`, then, until it is tried again, as `ImagePullBackOff`. */
const PULL_FAILURE_SHOWN_MS = 2_000;

/** Sees to it that a container's image is on the node. */
export class ImageManager {
  readonly #config: ImageManagerConfig;
  readonly #deps: ImageManagerDeps;
  readonly #backoff: KeyedBackoff;
  readonly #gate: PullGate;
  #pulls = 0;

  constructor(config: ImageManagerConfig, deps: ImageManagerDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#backoff = new KeyedBackoff(deps.clock);
    this.#gate = new PullGate(config.pullsMax);
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
        this.#deps.events.normal(
          pod,
          "Pulled",
          `Container image "${image}" already present on machine`,
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
      throw new ContainerStartError(message, { code: "ImagePullBackOff", retryAfterMs: remainingMs });
    }
    try {
      const image = await this.#pull(pod, container, name, sandboxConfig, signal);
      this.#backoff.forget(key);
      return image;
    } catch (error) {
      signal.throwIfAborted();
      const text = toError(error).message;
      if (this.#config.pullAlwaysFallsBackOffline && present !== undefined && !isRefusal(error)) {
        const message = `Registry not reachable, using image "${container.image}" as present on machine: ${text}`;
        this.#deps.events.warn(pod, "PullSkipped", message, container.name);
        return present;
      }
      this.#pulls += 1;
      this.#backoff.failed(key, String(this.#pulls), 0, BACKOFF_INITIAL_MS);
      this.#deps.events.warn(pod, "Failed", `Failed to pull image "${container.image}": ${text}`, container.name);
      const code = reasonOf(text);
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
    const { images, events, clock } = this.#deps;
    events.normal(pod, "Pulling", `Pulling image "${container.image}"`, container.name);
    const askedAtMs = clock.monotonic();
    const sources = { ...this.#deps, nodeConfigPaths: this.#config.nodeConfigPaths };
    const credentials = await pullCredentials(pod, name.repository, sources, signal);
    const { id, pullMs } = await this.#gate.run(async () => {
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

  async #tryEach(
    image: string,
    credentials: readonly NonNullable<Parameters<ImageService["pullImage"]>[0]["auth"]>[],
    sandboxConfig: PodSandboxConfig,
    signal: AbortSignal,
  ): Promise<string> {
    if (credentials.length === 0) return this.#deps.images.pullImage({ image, sandboxConfig }, signal);
    const errors: Error[] = [];
    for (const auth of credentials) {
      try {
        return await this.#deps.images.pullImage({ image, auth, sandboxConfig }, signal);
      } catch (error) {
        signal.throwIfAborted();
        errors.push(toError(error));
      }
    }
    throw errors.at(-1) ?? new Error("no credential left");
  }
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
