import { request } from "node:https";
import type { X509Certificate } from "node:crypto";
import { connect } from "node:tls";
import { HubError } from "../edgehub/hub-error.ts";
import { addressOf, type CloudServer } from "./edge-facts.ts";

const ANSWER_MS = 5_000;
const BODY_BYTES_MAX = 1024 * 1024;

export interface FetchedCa {
  readonly httpStatus: number;
  /** DER, if the status is 200. */
  readonly body: Buffer;
  /** This host's clock minus the cloud's, in ms, as exact as a date of whole seconds allows; `undefined`: it does not tell. */
  readonly clockAheadMs: number | undefined;
}

/** Fetches `/ca.crt` from whoever answers: what it is worth, the caller finds out. @throws as the socket does */
export function fetchCa(server: CloudServer, signal: AbortSignal): Promise<FetchedCa> {
  return new Promise((resolve, reject) => {
    const { host, port } = server;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
    const options = { host, port, path: "/ca.crt", agent: false, rejectUnauthorized: false, signal: limit };
    const outgoing = request(options, (incoming) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      incoming.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
        else incoming.destroy(new Error(`/ca.crt is longer than ${BODY_BYTES_MAX} bytes`));
      });
      incoming.on("error", reject);
      incoming.on("end", () => {
        const cloudMs = Date.parse(incoming.headers.date ?? "");
        // The date was cut to whole seconds: half of one is the best guess.
        const clockAheadMs = Number.isNaN(cloudMs) ? undefined : Date.now() - cloudMs - 500;
        resolve({ httpStatus: incoming.statusCode ?? 0, body: Buffer.concat(chunks), clockAheadMs });
      });
    });
    outgoing.on("error", (error) => reject(limit.aborted && !signal.aborted ? silent(server, error) : error));
    outgoing.end();
  });
}

export interface ShownCertificate {
  /** Why it would not do; a code as {@link explainFailure} knows them. `undefined`: it would. */
  readonly problem: string | undefined;
  readonly certificate: X509Certificate | undefined;
}

/**
 * Shakes hands and hangs up: nothing is sent. A certificate that would be refused is let through, so that it can be told why.
 *
 * @param ca PEM of whom we trust.
 * @throws as the socket does
 */
export function shakeHands(server: CloudServer, ca: string, signal: AbortSignal): Promise<ShownCertificate> {
  return new Promise((resolve, reject) => {
    const { host, port } = server;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
    const socket = connect({ host, port, ca, rejectUnauthorized: false, minVersion: "TLSv1.2" });
    const late = () => socket.destroy(silent(server, limit.reason));
    limit.addEventListener("abort", late, { once: true });
    socket.once("close", () => limit.removeEventListener("abort", late));
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      const problem = socket.authorized ? undefined : String(socket.authorizationError);
      resolve({ problem, certificate: socket.getPeerX509Certificate() });
      socket.destroy();
    });
  });
}

function silent(server: CloudServer, cause: unknown): HubError {
  const address = addressOf(server);
  return new HubError(
    `${address} takes connections but does not answer: is it cloudcore?`,
    { code: "Unreachable", address },
    { cause },
  );
}
