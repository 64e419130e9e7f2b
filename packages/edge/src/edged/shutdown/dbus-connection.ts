import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { abortable, toError } from "@kedge/runtime";
import {
  DBUS_CALL,
  DBUS_ERROR,
  DBUS_MESSAGE_BYTES_MAX,
  DBUS_REPLY,
  DBUS_SIGNAL,
  DbusError,
  type DbusMessage,
  type DbusValue,
  readDbusMessage,
  writeDbusMessage,
} from "./dbus-message.ts";

const BUS = { destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus" };
const SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket";

export interface DbusTarget {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
}

/** A connection to a message bus: calls, and the signals asked for. Without file descriptors, which Node cannot take. */
export class DbusConnection implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #onSignal: (message: DbusMessage) => void;
  readonly #waiting = new Map<number, PromiseWithResolvers<readonly DbusValue[]>>();
  readonly #closed = Promise.withResolvers<never>();
  #received: Buffer = Buffer.alloc(0);
  #serial = 0;

  private constructor(socket: Socket, onSignal: (message: DbusMessage) => void) {
    this.#socket = socket;
    this.#onSignal = onSignal;
    this.#closed.promise.catch(() => undefined);
  }

  /**
   * @param address as D-Bus writes them: `unix:path=/run/dbus/system_bus_socket`.
   * @throws DbusError, or what connecting says.
   */
  static async open(
    address: string | undefined,
    onSignal: (message: DbusMessage) => void,
    signal: AbortSignal,
  ): Promise<DbusConnection> {
    const socket = connect({ path: socketPath(address ?? SYSTEM_BUS) });
    try {
      await once(socket, "connect", { signal });
      await authenticate(socket, signal);
      const connection = new DbusConnection(socket, onSignal);
      socket.on("data", (chunk: Buffer) => connection.#receive(chunk));
      socket.on("error", (error) => connection.#fail(error));
      socket.on("close", () => connection.#fail(new DbusError("the bus has gone", { code: "DbusClosed" })));
      await connection.call(BUS, "Hello", "", [], signal);
      return connection;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  /** Rejects when the connection ends. */
  get closed(): Promise<never> {
    return this.#closed.promise;
  }

  /** @throws DbusError `DbusRefused` with what the other side says. */
  async call(
    target: DbusTarget,
    member: string,
    signature: string,
    body: DbusValue[],
    signal: AbortSignal,
  ): Promise<readonly DbusValue[]> {
    this.#serial += 1;
    const serial = this.#serial;
    const reply = Promise.withResolvers<readonly DbusValue[]>();
    reply.promise.catch(() => undefined);
    this.#waiting.set(serial, reply);
    try {
      this.#socket.write(writeDbusMessage({ type: DBUS_CALL, serial, fields: { ...target, member } }, signature, body));
      return await abortable(Promise.race([reply.promise, this.#closed.promise]), signal);
    } finally {
      this.#waiting.delete(serial);
    }
  }

  /** Asks for signals. @param rule as D-Bus writes match rules. */
  async addMatch(rule: string, signal: AbortSignal): Promise<void> {
    await this.call(BUS, "AddMatch", "s", [rule], signal);
  }

  #receive(chunk: Buffer): void {
    try {
      this.#received = Buffer.concat([this.#received, chunk]);
      for (let read = readDbusMessage(this.#received); read !== undefined; read = readDbusMessage(this.#received)) {
        this.#received = this.#received.subarray(read.bytes);
        this.#take(read.message);
      }
      if (this.#received.length > DBUS_MESSAGE_BYTES_MAX)
        throw new DbusError("a D-Bus message is too large", {
          code: "DbusTooLarge",
          bytes: this.#received.length,
        });
    } catch (error) {
      this.#socket.destroy();
      this.#fail(toError(error));
    }
  }

  #take(message: DbusMessage): void {
    const { type, fields, body } = message;
    if (type === DBUS_SIGNAL) this.#onSignal(message);
    const waiting = this.#waiting.get(Number(fields.replySerial ?? 0));
    if (type === DBUS_REPLY) waiting?.resolve(body);
    if (type !== DBUS_ERROR) return;
    const name = String(fields.errorName ?? "");
    waiting?.reject(new DbusError(`${name}: ${String(body[0] ?? "")}`, { code: "DbusRefused", name }));
  }

  #fail(error: Error): void {
    this.#closed.reject(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    return Promise.resolve();
  }
}

/** Says who we are; the kernel vouches for it. */
async function authenticate(socket: Socket, signal: AbortSignal): Promise<void> {
  const uid = Buffer.from(String(process.getuid?.() ?? 0)).toString("hex");
  socket.write(`\0AUTH EXTERNAL ${uid}\r\n`);
  const [answer] = (await once(socket, "data", { signal })) as [Buffer];
  const line = answer.toString();
  if (!line.startsWith("OK ")) throw new DbusError(`the bus refuses us: ${line.trim()}`, { code: "DbusProtocol" });
  socket.write("BEGIN\r\n");
}

/** Of several addresses the first that is a path. @throws DbusError */
function socketPath(addresses: string): string {
  for (const address of addresses.split(";")) {
    const path = /^unix:(?:[^,]*,)*path=([^,]+)/.exec(address)?.[1];
    if (path !== undefined) return decodeURIComponent(path);
  }
  throw new DbusError(`no path of a Unix socket in the bus' address ${addresses}`, { code: "DbusProtocol" });
}
