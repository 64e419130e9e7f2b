import { readFileSync } from "node:fs";
import type { ClientRequest, IncomingMessage } from "node:http";
import { request } from "node:https";
import { parse } from "yaml";

interface Kubeconfig {
  readonly clusters: readonly { readonly cluster: { readonly server: string; "certificate-authority-data": string } }[];
  readonly users: readonly { readonly user: Record<"client-certificate-data" | "client-key-data", string> }[];
}

/** A log that is being followed, read along. */
export class LogStream {
  text = "";
  readonly #request: ClientRequest;
  readonly #answer: IncomingMessage;

  constructor(sent: ClientRequest, answer: IncomingMessage) {
    this.#request = sent;
    this.#answer = answer;
    answer.setEncoding("utf8");
    answer.on("data", (part: string) => (this.text += part));
    answer.on("error", () => undefined);
  }

  /** @throws if the stream ends before, or after 60 s. */
  async until(accept: (text: string) => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const fail = () => reject(new Error(`the log ended, or took too long: ${this.text}`));
    const timer = setTimeout(fail, 60_000);
    this.#answer.on("data", () => accept(this.text) && resolve(undefined));
    this.#answer.once("close", fail);
    if (accept(this.text)) resolve(undefined);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  end(): void {
    this.#request.destroy();
  }
}

/** Reads a pod's log as any client of the API does, with the kubeconfig's client certificate: cheaper than a kubectl each. */
export async function openLogs(kubeconfig: string, pod: string, query: string): Promise<LogStream> {
  const { clusters, users } = parse(readFileSync(kubeconfig, "utf8")) as Kubeconfig;
  const [{ cluster } = { cluster: undefined }, { user } = { user: undefined }] = [clusters[0], users[0]];
  const pem = (base64 = "") => Buffer.from(base64, "base64");
  const { promise, resolve, reject } = Promise.withResolvers<LogStream>();
  const sent = request(
    `${cluster?.server ?? ""}/api/v1/namespaces/default/pods/${pod}/log?${query}`,
    {
      ca: pem(cluster?.["certificate-authority-data"]),
      cert: pem(user?.["client-certificate-data"]),
      key: pem(user?.["client-key-data"]),
      agent: false,
    },
    (answer) => resolve(new LogStream(sent, answer)),
  );
  sent.once("error", reject);
  sent.end();
  const stream = await promise;
  sent.on("error", () => undefined);
  return stream;
}
