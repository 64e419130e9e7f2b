import { integerMember, readObject, stringMember } from "./read-json.ts";

/** Reads a request that has nothing but its id. @throws SyntaxError, TypeError for what is no such request. */
export function readEventId(payload: string): string {
  const body = readObject(JSON.parse(payload), "the payload");
  integerMember(body, "timestamp");
  return stringMember(body, "event_id") ?? "";
}
