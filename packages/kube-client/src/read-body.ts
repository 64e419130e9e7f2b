import { KubeClientError } from "./kube-client-error.ts";

/** A whole list of a large cluster fits; what is larger must be read in pages. */
export const RESPONSE_BYTES_MAX = 256 * 1024 * 1024;
/** One watch event. The API server itself takes no object beyond about 3 MiB. */
export const WATCH_EVENT_BYTES_MAX = 16 * 1024 * 1024;
const NEWLINE = 0x0a;

/** Joins a body's parts. @throws KubeClientError `ResponseTooLarge` */
export async function readBody(body: AsyncIterable<Uint8Array>, responseBytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > responseBytesMax) throw tooLarge(responseBytesMax);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes).toString("utf8");
}

/** Splits a stream into its lines, empty ones left out. @throws KubeClientError `ResponseTooLarge` for one line. */
export async function* readLines(body: AsyncIterable<Uint8Array>, lineBytesMax: number): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      parts.push(chunk.subarray(start, end));
      const line = Buffer.concat(parts).toString("utf8").trim();
      parts = [];
      bytes = 0;
      start = end + 1;
      if (line !== "") yield line;
    }
    if (start === chunk.length) continue;
    bytes += chunk.length - start;
    if (bytes > lineBytesMax) throw tooLarge(lineBytesMax);
    parts.push(chunk.subarray(start));
  }
}

function tooLarge(responseBytesMax: number): KubeClientError {
  return new KubeClientError(`the API server's answer passes ${responseBytesMax} bytes: ask for less at once`, {
    code: "ResponseTooLarge",
    responseBytesMax,
  });
}
