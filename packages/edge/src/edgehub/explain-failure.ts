import { hasCode, toError } from "@kedge/runtime";
import { LinkError } from "@kedge/transport";
import { HubError } from "./hub-error.ts";

const UNKNOWN_AUTHORITY = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_SIGNATURE_FAILURE",
]);

/** The one thing to do for each cause; for {@link explainFailure}'s messages, and for programs that show cause and cure apart. */
const FIXES: Readonly<Record<Exclude<HubError["code"], "ServerRefused" | "TokenRefused">, string>> = {
  NotConnected: "wait for the connection",
  NotSupported: "nothing: a stock cloud is asked the long way",
  LeaseRefused: "see cloudcore's log; the cloud is asked the long way",
  Timeout: "see cloudcore's log; the question is asked again",
  QueueFull: "wait for the cloud to be back",
  NameNotResolved: "check the address and this host's DNS",
  ConnectionRefused: "check the address, and that cloudcore runs",
  Unreachable: "check routes and firewalls between here and there",
  WrongServerName: "add this one to advertiseAddress or dnsNames in cloudcore.yaml",
  UnknownAuthority: "if the cloud was set up anew, join again with a new token",
  ClockWrong: "set the clock",
  ServerCertificateExpired: "check the clock, else renew cloudcore's certificate",
  HungUp:
    "most likely it does not accept this node's certificate, then join again with a new token; else something between here and there cuts connections",
  CertificateRejected: "if it has expired or the cloud was set up anew, join again with a new token",
  ConnectFailed: "see cloudcore's log",
  NoCertificate: "set edgeHub.token to a token from `keadm gettoken`",
  TokenMalformed: "copy the join token whole, as `keadm gettoken` prints it",
  TokenExpired: "get a new token with `keadm gettoken` and set it in edgeHub.token",
  CaHashMismatch: "check the address and get a new token with `keadm gettoken`",
  BadConfig: "correct this key of edgecore.yaml",
  BadCertificate: "see cloudcore's log, then join again with a new token",
  DuplicateName: "give one of the two hosts another hostnameOverride",
};

/** What to do about a failure, without saying again what it is. */
export function fixFor({ details, cause }: HubError): string {
  if (details.code === "TokenRefused") return details.fix;
  if (details.code !== "ServerRefused") return FIXES[details.code];
  const says = cause instanceof LinkError && cause.details.code === "Refused" ? cause.details.reason : "";
  return refusalFix(details.httpStatus, says);
}

/**
 * What went wrong between us and the cloud, as one cause and one thing to do.
 *
 * @param address `host:port`, or the URL, that was tried.
 */
export function explainFailure(thrown: unknown, address: string): HubError {
  if (thrown instanceof HubError) return thrown;
  const error = toError(thrown);
  if (thrown instanceof LinkError && thrown.details.code === "Refused") return explainRefusal(thrown);
  const code = failureCode(error);
  const failure = (message: string, details: HubError["details"]) => new HubError(message, details, { cause: error });
  switch (code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EAI_FAIL":
    case "EAI_NONAME":
      return failure(`the name in ${address} cannot be resolved: ${FIXES.NameNotResolved}`, {
        code: "NameNotResolved",
        host: address,
      });
    case "ECONNREFUSED":
      return failure(`nothing listens at ${address}: ${FIXES.ConnectionRefused}`, {
        code: "ConnectionRefused",
        address,
      });
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "ETIMEDOUT":
    case "ConnectTimeout":
      return failure(`${address} does not answer: ${FIXES.Unreachable}`, {
        code: "Unreachable",
        address,
      });
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return failure(`the certificate of ${address} is for another name: ${FIXES.WrongServerName}`, {
        code: "WrongServerName",
        address,
      });
    case "CERT_NOT_YET_VALID":
      return failure(`the certificate of ${address} is not valid yet by this host's clock: ${FIXES.ClockWrong}`, {
        code: "ClockWrong",
        address,
      });
    case "CERT_HAS_EXPIRED":
      return failure(
        `the certificate of ${address} has expired by this host's clock: ${FIXES.ServerCertificateExpired}`,
        { code: "ServerCertificateExpired", address },
      );
  }
  // A Node server says no more than this to a certificate that it refuses.
  if (code === "ECONNRESET" || code === "EPIPE")
    return failure(`${address} hung up before it answered: ${FIXES.HungUp}`, { code: "HungUp", address });
  if (UNKNOWN_AUTHORITY.has(code))
    return failure(`${address} shows a certificate of another authority than ours: ${FIXES.UnknownAuthority}`, {
      code: "UnknownAuthority",
      address,
    });
  // The peer's TLS alerts, such as ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED or ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED.
  if (/ALERT.*(CERTIFICATE|UNKNOWN_CA)/.test(code))
    return failure(`${address} does not accept this node's certificate: ${FIXES.CertificateRejected}`, {
      code: "CertificateRejected",
      address,
    });
  return failure(`cannot connect to ${address}: ${error.message}`, { code: "ConnectFailed", address });
}

function failureCode(error: Error): string {
  if (hasCode(error, "ConnectTimeout")) return "ConnectTimeout";
  if (error instanceof LinkError && error.details.code === "ConnectFailed") return error.details.cause;
  if (error instanceof AggregateError && error.errors.length > 0) return failureCode(toError(error.errors[0]));
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : "";
}

function explainRefusal(refusal: LinkError): HubError {
  const { details } = refusal;
  if (details.code !== "Refused") return new HubError(refusal.message, { code: "NotConnected" }, { cause: refusal });
  const { httpStatus, reason, retryAfterSeconds } = details;
  const says = reason === "" ? "" : `: ${reason}`;
  const retryAfterMs = retryAfterSeconds === undefined ? undefined : retryAfterSeconds * 1000;
  return new HubError(
    `the cloud refused this node with HTTP status ${httpStatus}${says}; ${refusalFix(httpStatus, reason)}`,
    { code: "ServerRefused", httpStatus, retryAfterMs },
    { cause: refusal },
  );
}

/** @param reason the cloud's own words: one status may have several causes, and only one of them is told. */
function refusalFix(httpStatus: number, reason: string): string {
  if (reason.includes("nodeLimit")) return "raise modules.cloudHub.nodeLimit in cloudcore.yaml, or take nodes away";
  const fixes: Readonly<Record<number, string>> = {
    401: "join again with a new token",
    403: "check that the certificate is this node's, or join again with a new token",
    404: "check that websocket.server names cloudcore's WebSocket port, 10000 by default",
    409: "another host uses this node's name: give one of them another hostnameOverride",
    429: "too many nodes come at once: we try again when the cloud wants us to",
    503: "the cloud is busy or starting: we try again",
  };
  return fixes[httpStatus] ?? "see cloudcore's log";
}
