import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { AddressInfo } from "node:net";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";

const PROGRAMS = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"];
const START_TRIES_MAX = 5;

/** A real mosquitto on a free loopback port, which can be stopped and started again on it. */
export class TestMosquitto implements AsyncDisposable {
  readonly port: number;
  readonly dir: string;
  readonly #config: string;
  #process: ChildProcess | undefined;

  private constructor(port: number, dir: string, config: string) {
    this.port = port;
    this.dir = dir;
    this.#config = config;
  }

  /** Why these tests cannot run here, or false. */
  static missing(): string | false {
    return PROGRAMS.some(existsSync) ? false : "mosquitto is not installed (Debian: apt-get install mosquitto)";
  }

  /** @param configure further lines of mosquitto.conf, from the port and a folder that goes with the broker. */
  static async start(configure = (_dir: string) => "allow_anonymous true"): Promise<TestMosquitto> {
    for (let tries = 1; ; tries += 1) {
      const dir = mkdtempSync(path.join(tmpdir(), "kedge-mosquitto-"));
      const port = await freePort();
      const file = path.join(dir, "mosquitto.conf");
      // As root it would become another user, who cannot read our files.
      writeFileSync(file, `user root\nlistener ${port} 127.0.0.1\npersistence false\n${configure(dir)}\n`);
      const broker = new TestMosquitto(port, dir, file);
      try {
        await broker.restart();
        return broker;
      } catch (error) {
        await broker[Symbol.asyncDispose]();
        if (tries === START_TRIES_MAX) throw error;
      }
    }
  }

  get url(): string {
    return `tcp://127.0.0.1:${this.port}`;
  }

  /** Starts it, if it was stopped; resolves once it takes connections. */
  async restart(): Promise<void> {
    const program = PROGRAMS.find(existsSync) ?? "mosquitto";
    const child = spawn(program, ["-c", this.#config], { stdio: ["ignore", "ignore", "pipe"] });
    this.#process = child;
    const log: string[] = [];
    await new Promise<void>((resolve, reject) => {
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        log.push(text);
        if (log.join("").includes("running")) resolve();
      });
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`mosquitto ended with ${code}: ${log.join("")}`)));
    });
  }

  /** As a crash would: connections are cut. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** A device's or application's side of a broker. */
export class TestMqttClient implements AsyncDisposable {
  readonly client: MqttClient;
  readonly #received: { topic: string; payload: string }[] = [];
  #wake = Promise.withResolvers<void>();

  private constructor(client: MqttClient) {
    this.client = client;
    client.on("error", () => undefined);
    client.on("message", (topic, payload) => {
      this.#received.push({ topic, payload: payload.toString() });
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    });
  }

  static async connect(
    url: string,
    filters: readonly string[] = [],
    options: IClientOptions = {},
  ): Promise<TestMqttClient> {
    const client = new TestMqttClient(await connectAsync(url.replace("tcp://", "mqtt://"), options));
    if (filters.length > 0) await client.client.subscribeAsync([...filters], { qos: 1 });
    return client;
  }

  publish(topic: string, payload: string | object): Promise<unknown> {
    const text = typeof payload === "string" ? payload : JSON.stringify(payload);
    return this.client.publishAsync(topic, text, { qos: 1 });
  }

  /** The next message of this topic, removed from what was received. */
  async next(topic: string): Promise<string> {
    for (;;) {
      const index = this.#received.findIndex((message) => message.topic === topic);
      const [message] = index === -1 ? [] : this.#received.splice(index, 1);
      if (message !== undefined) return message.payload;
      await this.#wake.promise;
    }
  }

  /** How many of this topic have come and were not taken. */
  count(topic: string): number {
    return this.#received.filter((message) => message.topic === topic).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.endAsync(true);
  }
}
