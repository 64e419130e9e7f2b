import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { systemClock } from "@kedge/runtime";
import type { TestContainerd } from "@kedge/testing";
import { WebSocket } from "ws";
import { EndpointToken } from "../src/edged/server/endpoint-token.ts";
import { KubeletHttp } from "../src/edged/server/kubelet-http.ts";
import type { KubeletEndpoint } from "../src/edged/server/kubelet-endpoint.ts";
import { makeKubeletEndpoint } from "../src/edged/server/make-kubelet-endpoint.ts";
import type { TestEdged } from "./edged-harness.ts";

/** The kubelet endpoint of a node under test, over HTTP as a process of the host has it. */
export class TestKubeletEndpoint implements AsyncDisposable {
  readonly endpoint: KubeletEndpoint;
  readonly #port: number;
  readonly #authorization: string;
  readonly #stop: () => Promise<void>;

  private constructor(endpoint: KubeletEndpoint, port: number, authorization: string, stop: () => Promise<void>) {
    this.endpoint = endpoint;
    this.#port = port;
    this.#authorization = authorization;
    this.#stop = stop;
  }

  static async start(containerd: TestContainerd, edged: TestEdged): Promise<TestKubeletEndpoint> {
    const endpoint = makeKubeletEndpoint(edged.config, {
      clock: systemClock,
      cri: containerd.client,
      edged: {
        pods: () => edged.running().pods(),
        get listed() {
          return edged.running().listed;
        },
        probeMetrics: () => edged.running().probeMetrics(),
        problem: () => edged.running().problem(),
      },
      kubeletConfig: { maxPods: 110, staticPodURLHeader: { Authorization: ["secret"] } },
    });
    const tokenFile = join(edged.config.rootDirectory, "token");
    const http = new KubeletHttp((request) => endpoint.answer(request), EndpointToken.open(tokenFile));
    const server = createServer((request, response) => void http.serve(request, response));
    server.on("upgrade", (request, socket, head) => void http.serveUpgrade(request, socket, head));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return new TestKubeletEndpoint(endpoint, port, `Bearer ${readFileSync(tokenFile, "utf8").trim()}`, async () => {
      server.closeAllConnections();
      http[Symbol.dispose]();
      await new Promise((resolve) => server.close(resolve));
    });
  }

  get(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { authorization: this.#authorization };
    return fetch(`http://127.0.0.1:${this.#port}${path}`, { signal: AbortSignal.timeout(30_000), ...init, headers });
  }

  async text(path: string): Promise<string> {
    return (await this.get(path)).text();
  }

  /** A client of `v4.channel.k8s.io`, as kubectl is over WebSocket. @throws with the status if it is refused. */
  async open(path: string): Promise<ChannelClient> {
    const socket = new WebSocket(`ws://127.0.0.1:${this.#port}${path}`, ["v4.channel.k8s.io"], {
      headers: { authorization: this.#authorization },
      perMessageDeflate: false,
    });
    const client = new ChannelClient(socket);
    await once(socket, "open");
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
  }
}

const STDIN = 0;
const ERROR = 3;
const RESIZE = 4;

/** Streams in one WebSocket: the first byte of a message names the stream. */
export class ChannelClient {
  readonly socket: WebSocket;
  readonly #streams: Buffer[] = [];
  #changed: (() => void)[] = [];

  constructor(socket: WebSocket) {
    this.socket = socket;
    const wake = () => {
      for (const resolve of this.#changed.splice(0)) resolve();
    };
    socket.on("message", (data: Buffer) => {
      const [stream = 0] = data;
      this.#streams[stream] = Buffer.concat([this.#streams[stream] ?? Buffer.alloc(0), data.subarray(1)]);
      wake();
    });
    socket.on("close", wake);
  }

  bytes(stream: number): Buffer {
    return this.#streams[stream] ?? Buffer.alloc(0);
  }

  get output(): string {
    return this.bytes(1).toString();
  }

  get errors(): string {
    return this.bytes(2).toString();
  }

  send(stream: number, data: string | Buffer): void {
    this.socket.send(Buffer.concat([Buffer.from([stream]), Buffer.from(data)]));
  }

  type(text: string): void {
    this.send(STDIN, text);
  }

  resize(width: number, height: number): void {
    this.send(RESIZE, JSON.stringify({ Width: width, Height: height }));
  }

  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) {
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error(`closed: ${this.output}${this.errors}`);
      await new Promise<void>((resolve) => this.#changed.push(resolve));
    }
  }

  /** How it ended, as the runtime says: `{status: "Success"}`, or a failure with its exit code. */
  async status(): Promise<{ status?: string; reason?: string; details?: { causes?: { message?: string }[] } }> {
    await this.until(() => this.bytes(ERROR).length > 0);
    return JSON.parse(this.bytes(ERROR).toString()) as { status?: string };
  }
}
