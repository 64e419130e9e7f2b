import { chmod, lstat, mkdir, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { Group, type Message, newMessage, OK, Operation, Source, targetNode, VOLUME_OPERATIONS } from "@kedge/protocol";
import { abortable, type Clock, Component, type Logger, type MessageBus, toError } from "@kedge/runtime";
import type { CloudMessages, CloudNotices } from "../cloud-messages.ts";
import { CsiDriverError } from "./csi-driver-error.ts";

export interface VolumeSocketConfig {
  /** `unix:///var/lib/kubeedge/kubeedge.sock` */
  readonly address: string;
}

export interface VolumeSocketDeps {
  readonly bus: MessageBus<CloudMessages, CloudNotices>;
  readonly logger: Logger;
  readonly clock: Clock;
}

const CONNECTIONS_MAX = 16;
/** Of one call. */
const CALL_BYTES_MAX = 1024 * 1024;
/** As KubeEdge's. */
const ANSWER_TIMEOUT_MS = 60_000;

interface Waiting {
  readonly node: string;
  readonly resolve: (answer: Message) => void;
}

/**
 * Where KubeEdge's CSI driver hands in calls for drivers on nodes: a message in JSON, answered by one. Only who may open
 * the file comes in.
 *
 * @see `cloud-edge-protocol` §4.9
 */
export class VolumeSocket extends Component {
  readonly #deps: VolumeSocketDeps;
  readonly #server: Server;
  readonly #path: string;
  readonly #waiting = new Map<string, Waiting>();
  readonly #connections = new Set<Socket>();
  readonly #handles = new DisposableStack();

  private constructor(path: string, deps: VolumeSocketDeps) {
    super();
    this.#path = path;
    this.#deps = deps;
    this.#server = createServer((socket) => this.#serve(socket));
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#handles.use(deps.bus.handle("volume/answer", ({ node, message }) => this.#take(node, message)));
  }

  /** @throws CsiDriverError when the socket cannot be made. */
  static async start({ address }: VolumeSocketConfig, deps: VolumeSocketDeps): Promise<VolumeSocket> {
    const path = address.replace(/^unix:\/\//, "");
    if (!path.startsWith("/"))
      throw new CsiDriverError(`cloudHub.unixsocket.address must be like unix:///var/lib/kubeedge/kubeedge.sock`, {
        code: "BadAddress",
        address,
      });
    const socket = new VolumeSocket(path, deps);
    try {
      await socket.#listen();
      return socket;
    } catch (error) {
      await socket[Symbol.asyncDispose]();
      const message = `cannot listen on ${path}: ${toError(error).message}`;
      throw new CsiDriverError(message, { code: "CannotListen", address }, { cause: error });
    }
  }

  async #listen(): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o755 });
    const left = await lstat(this.#path).catch(() => undefined);
    if (left?.isSocket() === true) await rm(this.#path); // of a process that was killed
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#path, resolve);
    });
    await chmod(this.#path, 0o600);
  }

  /** Messages have no length: each is over where its JSON is. One after the other. */
  #serve(socket: Socket): void {
    this.#connections.add(socket);
    let text = "";
    socket.setEncoding("utf8");
    socket.on("close", () => this.#connections.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (text.length > CALL_BYTES_MAX) {
        const error = new CsiDriverError(`the call has more than ${CALL_BYTES_MAX} bytes`, { code: "TooLarge" });
        socket.end(answerText(undefined, error));
        return;
      }
      const call = parse(text);
      if (call === undefined) return;
      text = "";
      socket.pause();
      void this.#pass(call).then((answer) => {
        socket.write(answer);
        socket.resume();
      });
    });
  }

  /** Never rejects: what went wrong is the answer. */
  async #pass(call: Message): Promise<string> {
    const { bus, clock, logger } = this.#deps;
    const { operation = "", resource = "" } = call.route;
    const id = call.header.msg_id;
    const over = new AbortController();
    try {
      const node = targetNode(resource);
      if (!VOLUME_OPERATIONS.has(operation) || node === undefined || typeof id !== "string" || this.#waiting.has(id))
        throw new CsiDriverError(
          "a call needs an id, one of the four volume operations, and node/<node>/… as resource",
          {
            code: "BadCall",
          },
        );
      const { promise, resolve } = Promise.withResolvers<Message>();
      this.#waiting.set(id, { node, resolve });
      // Whoever hands it in says what it is; where it goes is ours to say.
      const route = { ...call.route, source: Source.cloudHub, group: Group.resource };
      await bus.request("hub/send", { ...call, route }, this.signal);
      const late = clock.sleep(ANSWER_TIMEOUT_MS, AbortSignal.any([this.signal, over.signal])).then(() => {
        throw new CsiDriverError(
          `node ${node} did not answer within ${ANSWER_TIMEOUT_MS / 1000} s: is it connected to this cloudcore?`,
          {
            code: "NoAnswer",
          },
        );
      });
      const answer = await abortable(Promise.race([promise, late]), this.signal);
      if (answer.route.operation === Operation.error) throw new Error(textOf(answer.content));
      return answerText(call, answer.content);
    } catch (error) {
      logger.warn({ operation, resource, error: toError(error) }, "call of the CSI driver not done");
      return answerText(call, toError(error));
    } finally {
      over.abort();
      this.#waiting.delete(id);
    }
  }

  /** From a node: only what it was asked itself. */
  #take(node: string, message: Message): void {
    const waiting = this.#waiting.get(message.header.parent_msg_id ?? "");
    // An edge may acknowledge what needs no acknowledgement; the answer is still to come.
    if (waiting?.node === node && message.content !== OK) waiting.resolve(message);
  }

  protected override async stop(): Promise<void> {
    this.#handles.dispose();
    for (const socket of this.#connections) socket.destroy();
    if (!this.#server.listening) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    await promise;
  }
}

/** @returns `undefined`: more of it is to come. */
function parse(text: string): Message | undefined {
  if (!text.trimEnd().endsWith("}")) return undefined;
  try {
    const message = JSON.parse(text) as Partial<Message> | null;
    const { header, route } = message ?? {};
    if (typeof header !== "object" || typeof route !== "object" || header === null || route === null) return NO_CALL;
    return message as Message;
  } catch {
    return undefined;
  }
}

const NO_CALL = newMessage({ source: "", group: "", operation: "", resource: "", content: null });

/**
 * What the caller reads. A driver's reply is base64 of its JSON, which the caller takes apart; over WebSocket it comes from
 * the edge as it is (W39).
 */
function answerText(call: Message | undefined, outcome: unknown): string {
  const { route, header } = call ?? NO_CALL;
  const failed = outcome instanceof Error;
  const content = failed ? outcome.message : Buffer.from(JSON.stringify(outcome)).toString("base64");
  const answer = newMessage({
    source: Source.cloudHub,
    group: route.group ?? Group.resource,
    operation: failed ? Operation.error : Operation.response,
    resource: route.resource ?? "",
    content,
    parentId: header.msg_id,
  });
  return JSON.stringify(answer);
}

function textOf(content: unknown): string {
  return typeof content === "string" ? content : JSON.stringify(content);
}
