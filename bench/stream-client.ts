import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { parse } from "yaml";
import { WebSocket } from "ws";

interface Kubeconfig {
  readonly clusters: readonly { readonly cluster: { readonly server: string; "certificate-authority-data": string } }[];
  readonly users: readonly { readonly user: Record<"client-certificate-data" | "client-key-data", string> }[];
}

export interface LogMeasure {
  /** From the request to the first byte of the log. */
  readonly firstByteMs: number;
  readonly bytes: number;
}

/** Streams as a client of the API has them, in this process: a kubectl each would be what is measured. */
export class StreamClient implements Disposable {
  readonly #server: string;
  readonly #tls: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer };
  readonly #agent: Agent;

  constructor(kubeconfig: string) {
    const { clusters, users } = parse(readFileSync(kubeconfig, "utf8")) as Kubeconfig;
    const [{ cluster } = { cluster: undefined }, { user } = { user: undefined }] = [clusters[0], users[0]];
    const pem = (base64 = "") => Buffer.from(base64, "base64");
    this.#server = cluster?.server ?? "";
    this.#tls = {
      ca: pem(cluster?.["certificate-authority-data"]),
      cert: pem(user?.["client-certificate-data"]),
      key: pem(user?.["client-key-data"]),
    };
    // kubectl opens a connection for each command, a dashboard keeps it: what the tunnel adds is the same.
    this.#agent = new Agent({ keepAlive: true, maxSockets: Infinity, ...this.#tls });
  }

  /** Reads a log to its end. @throws if the API refuses, or the stream breaks. */
  readLog(pod: string, query: string): Promise<LogMeasure> {
    const { promise, resolve, reject } = Promise.withResolvers<LogMeasure>();
    const startMs = performance.now();
    const sent = request(`${this.#server}/api/v1/namespaces/default/pods/${pod}/log?${query}`, { agent: this.#agent });
    sent.once("error", reject);
    sent.once("response", (response) => {
      let [firstByteMs, bytes] = [Number.NaN, 0];
      response.on("data", (chunk: Buffer) => {
        if (bytes === 0) firstByteMs = performance.now() - startMs;
        bytes += chunk.length;
      });
      response.once("error", reject);
      response.once("end", () => {
        if (response.statusCode === 200 && response.complete) resolve({ firstByteMs, bytes });
        else reject(new Error(`the log of ${pod} ended with HTTP status ${response.statusCode}`));
      });
    });
    sent.end();
    return promise;
  }

  /** Follows a log until disposed. Resolves with its first byte. @throws as {@link readLog} */
  followLog(pod: string, query: string): Promise<Disposable> {
    const { promise, resolve, reject } = Promise.withResolvers<Disposable>();
    const url = `${this.#server}/api/v1/namespaces/default/pods/${pod}/log?follow=true&${query}`;
    const sent = request(url, { agent: this.#agent });
    sent.once("error", reject);
    sent.once("response", (response) => {
      response.on("error", () => undefined);
      response.once("end", () => reject(new Error(`the log of ${pod} ended with HTTP status ${response.statusCode}`)));
      response.once("data", () => resolve({ [Symbol.dispose]: () => void sent.destroy() }));
      response.resume();
    });
    sent.end();
    return promise;
  }

  /** Runs a command. @returns ms from dialling to its exit status. @throws if it fails. */
  exec(pod: string, command: readonly string[]): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const query = new URLSearchParams([["stdout", "true"], ...command.map((argument) => ["command", argument])]);
    const url = `${this.#server.replace(/^http/, "ws")}/api/v1/namespaces/default/pods/${pod}/exec?${query.toString()}`;
    const startMs = performance.now();
    const socket = new WebSocket(url, ["v5.channel.k8s.io", "v4.channel.k8s.io"], {
      ...this.#tls,
      perMessageDeflate: false,
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error(`exec in ${pod} ended without a status`)));
    socket.on("message", (data: Buffer) => {
      if (data[0] !== STATUS_CHANNEL) return;
      const { status } = JSON.parse(data.toString("utf8", 1)) as { status?: string };
      if (status === "Success") resolve(performance.now() - startMs);
      else reject(new Error(data.toString("utf8", 1)));
      socket.close();
    });
    return promise;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

const STATUS_CHANNEL = 3;
