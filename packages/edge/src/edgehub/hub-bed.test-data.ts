import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Message, mqttUpload } from "@kedge/protocol";
import { type Clock, deferred, type Logger, MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import { GroupCommit, openDatabase } from "@kedge/sqlite";
import type { TlsIdentity } from "@kedge/transport";
import type { EdgeBus, EdgeMessages, EdgeNotices } from "../edge-messages.ts";
import { type CertificatePaths, saveCa, savePair } from "./certificate-files.ts";
import { EdgeHub, type EdgeHubConfig } from "./edgehub.ts";
import { TestChannel } from "./test-channel.test-data.ts";
import { TestCloud } from "./test-cloud.test-data.ts";

export const NODE = "edge-1";

/** A folder for files and a bus for one hub; the hub can be started several times over the same files. */
export class HubBed implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "kedge-hub-"));
  readonly dbPath = join(this.folder, "edgecore.db");
  db = openDatabase({ path: this.dbPath });
  commits = new GroupCommit(this.db);
  readonly bus: EdgeBus = new MessageBus<EdgeMessages, EdgeNotices>();
  readonly signal = AbortSignal.timeout(20_000);
  readonly cloud: TestCloud;
  connected = deferred();
  agreed: boolean | undefined;
  disconnected = deferred();
  clock: Clock = systemClock;
  tokenUsed = false;
  hub: EdgeHub | undefined;

  constructor(cloud: TestCloud) {
    this.cloud = cloud;
    this.bus.listen("hub/connection", ({ connected, agreed }) => {
      this.agreed = agreed;
      if (connected) {
        this.disconnected = deferred();
        this.connected.resolve();
      } else {
        this.connected = deferred();
        this.disconnected.resolve();
      }
    });
  }

  config(more: Partial<EdgeHubConfig> = {}): EdgeHubConfig {
    return {
      nodeName: NODE,
      projectId: "e632aba927ea4ac2b575ec1603d56f10",
      server: this.cloud.server,
      handshakeTimeoutMs: 5_000,
      writeTimeoutMs: 5_000,
      heartbeatMs: 15_000,
      messageQps: 0,
      messageBurst: 0,
      ...more,
      certificate: {
        httpServer: this.cloud.httpServer,
        token: this.cloud.token,
        bootstrapFile: join(this.folder, "bootstrap-edgecore.conf"),
        rotate: true,
        paths: this.paths,
        ...more.certificate,
      },
    };
  }

  get paths() {
    return {
      caFile: join(this.folder, "ca", "rootCA.crt"),
      certFile: join(this.folder, "certs", "server.crt"),
      keyFile: join(this.folder, "certs", "server.key"),
    };
  }

  async start(more: Partial<EdgeHubConfig> = {}, logger: Logger = silentLogger): Promise<void> {
    const { bus, db, commits, clock } = this;
    const deps = { bus, db, commits, clock, logger, onTokenUsed: () => void (this.tokenUsed = true) };
    this.hub = await EdgeHub.start(this.config(more), deps, this.signal);
  }

  async stop(): Promise<void> {
    await this.hub?.[Symbol.asyncDispose]();
    this.hub = undefined;
  }

  /** Stops, does something to the database's file, and opens it again; the hub is left to be started. */
  async reopen(between: () => void = () => undefined): Promise<void> {
    await this.stop();
    this.commits[Symbol.dispose]();
    this.db.close();
    between();
    this.db = openDatabase({ path: this.dbPath });
    this.commits = new GroupCommit(this.db);
  }

  /** Accepts a message as a component of the agent gives it. */
  upload(content: string): Promise<void> {
    return this.bus.request("hub/send", mqttUpload("topic", content), this.signal);
  }

  /** Numbers of what is in the outbox. */
  waiting(): number[] {
    return this.db
      .prepare("SELECT seq FROM kedge_outbox ORDER BY seq")
      .all()
      .map(({ seq }) => Number(seq));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.cloud[Symbol.asyncDispose]();
    this.commits[Symbol.dispose]();
    this.db.close();
    rmSync(this.folder, { recursive: true });
  }

  request(message: Message, timeoutMs = 10_000): Promise<Message> {
    return this.bus.request("hub/request", { message, timeoutMs }, this.signal);
  }
}

export async function hubBed(): Promise<HubBed> {
  return new HubBed(await TestCloud.start());
}

/** With a cloud of ours. */
export async function agreedBed(): Promise<HubBed & { readonly channel: TestChannel }> {
  const bed = await hubBed();
  const channel = new TestChannel();
  bed.cloud.channel = channel;
  return Object.assign(bed, { channel });
}

/** Waits are a hundredth of what they are on a node. */
export function hurry(bed: HubBed): void {
  bed.clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 100, signal) };
}

export function saveIdentity(paths: CertificatePaths, identity: TlsIdentity): void {
  saveCa(paths, identity.ca);
  savePair(paths, identity);
}
