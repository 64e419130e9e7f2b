import { toError } from "@kedge/runtime";

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connect: connection refused",
  EHOSTUNREACH: "connect: no route to host",
  ENETUNREACH: "connect: network is unreachable",
  ETIMEDOUT: "connect: connection timed out",
};

/** Why a peer could not be talked to, in the words that users of Kubernetes know. @param address `10.1.2.3:80` */
export function explainNetworkFailure(error: unknown, address: string): string {
  const { code, message } = toError(error) as NodeJS.ErrnoException;
  const reason = code === undefined ? undefined : REASONS[code];
  if (reason !== undefined) return `dial tcp ${address}: ${reason}`;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return `dial tcp: lookup ${hostOf(address)}: no such host`;
  if (code === "ECONNRESET")
    return message === "socket hang up" ? "EOF" : `read tcp ${address}: connection reset by peer`;
  if (code === "EPROTO" || code?.startsWith("ERR_SSL_") === true) return HTTP_ANSWER_TO_HTTPS;
  return message;
}

export const HTTP_ANSWER_TO_HTTPS = "http: server gave HTTP response to HTTPS client";

/** `[::1]:80` for an IPv6 address. */
export function joinHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":"));
}
