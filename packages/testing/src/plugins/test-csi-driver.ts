import { execFile } from "node:child_process";
import { mkdir, readFile, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { create, type MessageShape } from "@bufbuild/protobuf";
import { loadPluginServices, type PluginServices } from "@kedge/cri";
import { TestGrpcServer } from "./grpc-server.ts";

const run = promisify(execFile);

export interface TestCsiDriverOptions {
  /** The kubelet's directory. */
  readonly root: string;
  readonly name?: string;
  /** Default: `STAGE_UNSTAGE_VOLUME` alone. */
  readonly capabilities?: readonly number[];
  readonly maxVolumes?: number;
  readonly topology?: Readonly<Record<string, string>>;
}

const STAGE_UNSTAGE_VOLUME = 1;
type Service = PluginServices["CsiNode"];
type Input<M extends keyof Service["method"]> = MessageShape<Service["method"][M]["input"]>;

/** What a driver was asked. */
export interface CsiCall {
  readonly method: "stage" | "unstage" | "publish" | "unpublish" | "expand" | "create";
  readonly request: Record<string, unknown>;
}

/** A CSI driver as `csi-driver-host-path` is one: volumes are directories beside its socket, bound to where they shall be. */
export class TestCsiDriver implements AsyncDisposable {
  readonly name: string;
  readonly calls: CsiCall[] = [];
  /** Method → what it fails with, for as long as it is here. */
  readonly failures = new Map<CsiCall["method"], string>();
  readonly directory: string;
  readonly #options: TestCsiDriverOptions;
  readonly #services: PluginServices;
  #servers = new AsyncDisposableStack();
  #registered = Promise.withResolvers<string>();

  private constructor(options: TestCsiDriverOptions, services: PluginServices) {
    this.name = options.name ?? "sample.csi.kedge.test";
    this.directory = join(options.root, "plugins", this.name);
    this.#options = options;
    this.#services = services;
  }

  static async start(options: TestCsiDriverOptions): Promise<TestCsiDriver> {
    const driver = new TestCsiDriver(options, await loadPluginServices());
    await driver.start();
    return driver;
  }

  /** Resolves with what it was told of its registration; empty: taken. */
  get registered(): Promise<string> {
    return this.#registered.promise;
  }

  /** Where a volume's files are. */
  volumePath(id: string): string {
    return join(this.directory, "volumes", id);
  }

  get registrationSocket(): string {
    return join(this.#options.root, "plugins_registry", `${this.name}-reg.sock`);
  }

  methods(): string[] {
    return this.calls.map(({ method }) => method);
  }

  /** Listens, and registers. */
  async start(): Promise<void> {
    const { CsiController, CsiNode, Registration } = this.#services;
    const endpoint = join(this.directory, "csi.sock");
    const { getInfo, notifyRegistrationStatus } = Registration.method;
    this.#registered = Promise.withResolvers();
    this.#servers.use(
      await TestGrpcServer.listen(endpoint, [
        { service: CsiNode, answers: this.#answers() },
        { service: CsiController, answers: this.#controllerAnswers() },
      ]),
    );
    const info = { type: "CSIPlugin", name: this.name, endpoint, supportedVersions: ["1.0.0"] };
    const answers = {
      getInfo: () => create(getInfo.output, info),
      notifyRegistrationStatus: ({ error }: MessageShape<typeof notifyRegistrationStatus.input>) => {
        this.#registered.resolve(error);
        return create(notifyRegistrationStatus.output);
      },
    };
    this.#servers.use(await TestGrpcServer.listen(this.registrationSocket, [{ service: Registration, answers }]));
  }

  /** As if its process had ended; what it mounted stays. @param clean take the registration's socket along. */
  async stop(clean = true): Promise<void> {
    await this.#servers.disposeAsync();
    this.#servers = new AsyncDisposableStack();
    if (clean) await rm(this.registrationSocket, { force: true });
  }

  #answers() {
    const { method } = this.#services.CsiNode;
    const { capabilities = [STAGE_UNSTAGE_VOLUME], maxVolumes = 0, topology = {} } = this.#options;
    return {
      nodeGetInfo: () =>
        create(method.nodeGetInfo.output, {
          nodeId: "node-of-driver",
          maxVolumesPerNode: BigInt(maxVolumes),
          accessibleTopology: { segments: { ...topology } },
        }),
      nodeGetCapabilities: () =>
        create(method.nodeGetCapabilities.output, {
          capabilities: capabilities.map((type) => ({ type: { case: "rpc" as const, value: { type } } })),
        }),
      nodeStageVolume: async (request: Input<"nodeStageVolume">) => {
        this.#note("stage", request);
        await mkdir(this.volumePath(request.volumeId), { recursive: true });
        await bind(this.volumePath(request.volumeId), request.stagingTargetPath);
        return create(method.nodeStageVolume.output);
      },
      nodeUnstageVolume: async (request: Input<"nodeUnstageVolume">) => {
        this.#note("unstage", request);
        await unbind(request.stagingTargetPath);
        return create(method.nodeUnstageVolume.output);
      },
      nodePublishVolume: async (request: Input<"nodePublishVolume">) => {
        this.#note("publish", request);
        const { volumeId, stagingTargetPath, targetPath, readonly } = request;
        const source = stagingTargetPath === "" ? this.volumePath(volumeId) : stagingTargetPath;
        if (stagingTargetPath !== "" && !(await isMounted(source))) throw new Error(`${volumeId} is not staged`);
        await mkdir(source, { recursive: true });
        await mkdir(targetPath, { recursive: true });
        await bind(source, targetPath);
        if (readonly) await run("mount", ["-o", "remount,bind,ro", targetPath]);
        return create(method.nodePublishVolume.output);
      },
      nodeUnpublishVolume: async (request: Input<"nodeUnpublishVolume">) => {
        this.#note("unpublish", request);
        await unbind(request.targetPath);
        await rmdir(request.targetPath).catch(() => undefined);
        return create(method.nodeUnpublishVolume.output);
      },
      nodeExpandVolume: (request: Input<"nodeExpandVolume">) => {
        this.#note("expand", request);
        return create(method.nodeExpandVolume.output, { capacityBytes: request.capacityRange?.requiredBytes ?? 0n });
      },
    };
  }

  #controllerAnswers() {
    const { createVolume } = this.#services.CsiController.method;
    return {
      createVolume: (request: MessageShape<typeof createVolume.input>) => {
        this.#note("create", request);
        const capacityBytes = request.capacityRange?.requiredBytes ?? 0n;
        return create(createVolume.output, { volume: { volumeId: `vol-of-${request.name}`, capacityBytes } });
      },
    };
  }

  #note(method: CsiCall["method"], request: object): void {
    this.calls.push({ method, request: { ...request } });
    const failure = this.failures.get(method);
    if (failure !== undefined) throw new Error(failure);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

async function isMounted(path: string): Promise<boolean> {
  return (await readFile("/proc/self/mountinfo", "utf8")).split("\n").some((line) => line.split(" ")[4] === path);
}

async function bind(source: string, target: string): Promise<void> {
  if (!(await isMounted(target))) await run("mount", ["--bind", source, target]);
}

async function unbind(target: string): Promise<void> {
  if (await isMounted(target)) await run("umount", [target]);
}
