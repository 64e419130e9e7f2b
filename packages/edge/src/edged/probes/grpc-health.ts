/** The messages of `grpc.health.v1` that a probe needs: one field each. @see the gRPC health checking protocol */

const SERVICE_FIELD = 0x0a; // field 1, length-delimited
const STATUS_FIELD = 0x08; // field 1, varint
const FRAME_HEAD_BYTES = 5;

const STATUSES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
export const SERVING = "SERVING";

/** A framed `HealthCheckRequest`. */
export function healthRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const message =
    name.length === 0 ? name : Buffer.concat([Buffer.from([SERVICE_FIELD, ...varint(name.length)]), name]);
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** @param frame a framed `HealthCheckResponse`. @returns the name of its status. @throws RangeError */
export function healthStatus(frame: Uint8Array): string {
  if (frame.length < FRAME_HEAD_BYTES) throw new RangeError("the answer is no gRPC message");
  if (frame[0] !== 0) throw new RangeError("the answer is compressed, which nobody asked for");
  if (frame.length === FRAME_HEAD_BYTES) return STATUSES[0] ?? "";
  if (frame[FRAME_HEAD_BYTES] !== STATUS_FIELD) throw new RangeError("the answer is no health status");
  const status = frame[FRAME_HEAD_BYTES + 1] ?? 0;
  return STATUSES[status] ?? String(status);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}
