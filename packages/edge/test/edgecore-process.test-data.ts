import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestCloud } from "../src/edgehub/test-cloud.test-data.ts";

const PROGRAM = fileURLToPath(new URL("../src/edgecore-main.ts", import.meta.url));

/** A folder with a configuration, and the real program over it, as often as the test likes. */
export class EdgeCoreProcess implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "kedge-edgecore-"));
  readonly config = join(this.folder, "edgecore.yaml");
  readonly database = join(this.folder, "edgecore.db");
  stderr = "";
  #child: ChildProcess | undefined;

  /** Everything that needs a container runtime or a broker is off. */
  writeConfig(cloud: TestCloud, more = ""): void {
    const yaml = `# This comment stays.
apiVersion: edgecore.config.kubeedge.io/v1alpha2
kind: EdgeCore
database:
  dataSource: ${this.database}
modules:
  edged:
    enable: false
    hostnameOverride: edge-1
  edgeHub:
    heartbeat: 15 # seconds
    messageQPS: 0
    tlsCaFile: ${this.folder}/pki/rootCA.crt
    tlsCertFile: ${this.folder}/pki/server.crt
    tlsPrivateKeyFile: ${this.folder}/pki/server.key
    httpServer: ${cloud.httpServer}
    websocket:
      server: ${cloud.server}
    token: ${cloud.token} # from keadm gettoken
  eventBus:
    enable: false
  deviceTwin:
    enable: false
${more}`;
    writeFileSync(this.config, yaml, { mode: 0o640 });
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    this.#child = spawn(process.execPath, [PROGRAM, "--config", this.config], { stdio: ["ignore", "ignore", "pipe"] });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => void (this.stderr += text));
  }

  /** @returns how the process ended: its exit code, or the signal that killed it. */
  async end(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    const child = this.#child;
    if (child === undefined) return null;
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, "close");
      if (signal !== undefined) child.kill(signal);
      await exited;
    }
    this.#child = undefined;
    return child.exitCode ?? child.signalCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
    rmSync(this.folder, { recursive: true });
  }
}
