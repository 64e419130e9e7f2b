import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  DBUS_CALL,
  DBUS_REPLY,
  DBUS_SIGNAL,
  type DbusMessage,
  type DbusValue,
  readDbusMessage,
  writeDbusMessage,
} from "../src/edged/shutdown/dbus-message.ts";

const DAEMON = "/usr/bin/dbus-daemon";

/** A message bus of the test's own. Disposing leaves no process and no file. */
export class TestBus implements AsyncDisposable {
  readonly address: string;
  readonly directory: string;
  readonly #stop: () => Promise<void>;

  private constructor(directory: string, address: string, stop: () => Promise<void>) {
    this.directory = directory;
    this.address = address;
    this.#stop = stop;
  }

  static missing(): string | false {
    return existsSync(DAEMON) ? false : `needs ${DAEMON}`;
  }

  static async start(): Promise<TestBus> {
    const directory = await mkdtemp(join(tmpdir(), "kedge-bus-"));
    const config = join(directory, "bus.conf");
    await writeFile(
      config,
      `<busconfig><type>custom</type><listen>unix:path=${directory}/bus</listen><auth>EXTERNAL</auth>
       <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
       </busconfig>`,
    );
    const child = spawn(DAEMON, [`--config-file=${config}`, "--nofork", "--nopidfile", "--print-address"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [address] = (await once(createInterface(child.stdout), "line")) as [string];
    return new TestBus(directory, address, async () => {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      await rm(directory, { recursive: true, force: true });
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stop();
  }
}

/** Stands in for systemd's logind and systemd itself on such a bus. */
export class FakeLogind implements AsyncDisposable {
  /** What it was called for. */
  readonly calls: string[] = [];
  delayUs = 5_000_000n;
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #serial = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async start(bus: TestBus): Promise<FakeLogind> {
    const socket = connect({ path: join(bus.directory, "bus") });
    await once(socket, "connect");
    const uid = Buffer.from(String(process.getuid?.() ?? 0)).toString("hex");
    socket.write(`\0AUTH EXTERNAL ${uid}\r\n`);
    await once(socket, "data");
    socket.write("BEGIN\r\n");
    const logind = new FakeLogind(socket);
    socket.on("data", (chunk: Buffer) => logind.#receive(chunk));
    socket.on("error", () => undefined);
    const target = { destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus" };
    const own = { ...target, interface: "org.freedesktop.DBus" };
    logind.#send(DBUS_CALL, { ...own, member: "Hello" }, "", []);
    for (const name of ["org.freedesktop.login1", "org.freedesktop.systemd1"])
      logind.#send(DBUS_CALL, { ...own, member: "RequestName" }, "su", [name, 4]);
    return logind;
  }

  /** Tells that the machine goes down, or that it does not after all. */
  prepareForShutdown(active: boolean): void {
    const fields = {
      path: "/org/freedesktop/login1",
      interface: "org.freedesktop.login1.Manager",
      member: "PrepareForShutdown",
    };
    this.#send(DBUS_SIGNAL, fields, "b", [active]);
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    for (let read = readDbusMessage(this.#received); read !== undefined; read = readDbusMessage(this.#received)) {
      this.#received = this.#received.subarray(read.bytes);
      if (read.message.type === DBUS_CALL) this.#answer(read.message);
    }
  }

  #answer({ serial, fields, body }: DbusMessage): void {
    this.calls.push([fields.member, ...body].join(" "));
    const back = { replySerial: serial, ...(fields.sender !== undefined && { destination: fields.sender }) };
    if (fields.member === "Get") this.#send(DBUS_REPLY, back, "v", [this.delayUs]);
    else {
      if (fields.member === "KillUnit") this.delayUs = 60_000_000n;
      this.#send(DBUS_REPLY, back, "", []);
    }
  }

  #send(type: number, fields: DbusMessage["fields"], signature: string, body: DbusValue[]): void {
    this.#serial += 1;
    this.#socket.write(writeDbusMessage({ type, serial: this.#serial, fields }, signature, body));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    return Promise.resolve();
  }
}
