import { request } from "node:https";
import { HubError } from "./hub-error.ts";

/** `/ca.crt` and `/edge.crt` answer with one certificate. */
const BODY_BYTES_MAX = 1024 * 1024;

export interface CertificateCall {
  /** `https://host:port`. */
  readonly server: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** Absent: the server is not known yet; what it says must be checked otherwise. */
  readonly ca?: string | undefined;
  /** Our present certificate, to speak for ourselves. */
  readonly identity?: { readonly cert: string; readonly key: string } | undefined;
  readonly timeoutMs: number;
}

export interface CertificateAnswer {
  readonly httpStatus: number;
  readonly body: Buffer;
  /** The server's clock, where it tells. */
  readonly date: string | undefined;
}

/** GET, with a body if there is one: that is how KubeEdge's certificate endpoints are called. */
export function callCertificateApi(call: CertificateCall, signal: AbortSignal): Promise<CertificateAnswer> {
  const { server, path, headers = {}, body, ca, identity, timeoutMs } = call;
  const { promise, resolve, reject } = Promise.withResolvers<CertificateAnswer>();
  const outgoing = request(
    new URL(path, server),
    {
      method: "GET",
      agent: false,
      minVersion: "TLSv1.2",
      headers: { ...headers, ...(body !== undefined && { "content-length": body.length }) },
      rejectUnauthorized: ca !== undefined,
      ...(ca !== undefined && { ca }),
      ...identity,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    },
    (incoming) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      incoming.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
        else incoming.destroy(new Error(`the answer of ${server}${path} is longer than ${BODY_BYTES_MAX} bytes`));
      });
      incoming.on("error", reject);
      incoming.on("end", () => {
        const { statusCode: httpStatus = 0, headers } = incoming;
        resolve({ httpStatus, body: Buffer.concat(chunks), date: headers.date });
      });
    },
  );
  outgoing.on("error", (error) => {
    if (signal.aborted) reject(signal.reason as Error);
    else if (error.name === "TimeoutError" || error.name === "AbortError")
      reject(
        new HubError(
          `${server} did not answer within ${timeoutMs} ms: check routes and firewalls between here and there`,
          { code: "Unreachable", address: server },
          { cause: error },
        ),
      );
    else reject(error);
  });
  outgoing.end(body);
  return promise;
}
