import type { CertificateSigningRequest, Node } from "@kedge/kube";
import { NODES_GROUP, nodeUserName } from "@kedge/protocol";
import { isNodeName } from "../cloudhub/node-name.ts";
import { addressBytes } from "../cloudhub/pki/certificate-builder.ts";
import { ownEndpoint } from "../cloudstream/node-endpoint.ts";
import { PkiError } from "../cloudhub/pki/pki-error.ts";
import { readSigningRequest, type SigningRequest } from "../cloudhub/pki/signing-request.ts";

/** Signs certificates with which a node serves: at the edge, its MetaServer. */
export const KUBELET_SERVING = "kubernetes.io/kubelet-serving";
const EDGE_LABEL = "node-role.kubernetes.io/edge";
const USAGES: ReadonlySet<string> = new Set(["digital signature", "key encipherment", "server auth"]);
/** Addresses that mean nothing outside of the host, or its link: MetaServer listens there. */
const LOCAL = /^(127\.|169\.254\.)|^(0:){7}1$/;

/** Names of services, those of the API server among them, and of many. */
const CLUSTERS_OWN = /\*|^kubernetes(\.default)?\.?$|\.svc(\.|$)|\.cluster\.local\.?$/i;

/** Whose certificate a request is about, as far as its shape can tell. */
export interface ServingRequest {
  readonly node: string;
  readonly asked: SigningRequest;
}

/**
 * Reads a request for a node's serving certificate.
 *
 * @param self who cloudcore is for the API server: it hands in requests for nodes that it knows by their certificates.
 * @returns the reason, as text, if it is not one that a node, or cloudcore for it, may ask for.
 */
export function readServingRequest(
  { spec }: CertificateSigningRequest,
  self: string | undefined,
): ServingRequest | string {
  if (spec?.signerName !== KUBELET_SERVING) return `the signer is not ${KUBELET_SERVING}`;
  const asked = readPem(spec.request);
  if (typeof asked === "string") return asked;
  const prefix = nodeUserName("");
  const node = asked.commonName?.startsWith(prefix) === true ? asked.commonName.slice(prefix.length) : "";
  if (!isNodeName(node)) return "the common name is not that of a node";
  if (asked.organizations.length !== 1 || asked.organizations[0] !== NODES_GROUP)
    return `the organization is not ${NODES_GROUP}`;
  if (spec.username !== nodeUserName(node) && (self === undefined || spec.username !== self))
    return `${spec.username ?? "nobody"} may not ask for the certificate of node ${node}`;
  const odd = (spec.usages ?? []).find((usage) => !USAGES.has(usage));
  if (odd !== undefined) return `the usage "${odd}" is not for serving`;
  if (spec.usages?.includes("server auth") !== true) return 'the usage "server auth" is missing';
  return { node, asked };
}

/** Why this node may not serve under the names that it asks for; undefined: it may. @param node undefined: there is none. */
export function whyNotItsNames({ node: name, asked }: ServingRequest, node: Node | undefined): string | undefined {
  if (node === undefined) return `there is no node ${name}`;
  if (node.metadata?.labels?.[EDGE_LABEL] === undefined) return `node ${name} is no edge node`;
  const { dnsNames, ipAddresses, others } = asked.alternativeNames;
  if (others > 0) return "it asks for names that are neither host names nor IP addresses";
  if (dnsNames.length + ipAddresses.length === 0) return "it asks for no name or address to serve under";
  // Where others reach it leads to cloudcore: that address is not the node's.
  const { addresses } = ownEndpoint(node);
  const ofType = (pattern: RegExp) => addresses.filter(({ type }) => pattern.test(type)).map(({ address }) => address);
  const names = new Set([name, ...ofType(/^(Hostname|(Internal|External)DNS)$/)]);
  const foreignName = dnsNames.find((dnsName) => !names.has(dnsName));
  if (foreignName !== undefined) return `${JSON.stringify(foreignName)} is not a name of node ${name}`;
  // A node reports its own addresses: the cluster's names must not become its own by that, since all pods trust the signer.
  const clusters = dnsNames.find((dnsName) => CLUSTERS_OWN.test(dnsName));
  if (clusters !== undefined) return `${JSON.stringify(clusters)} is a name of the cluster's own services`;
  const own = ofType(/^(Internal|External)IP$/).map(bytesOf);
  const foreign = ipAddresses.find((address) => !LOCAL.test(address) && !own.includes(bytesOf(address)));
  return foreign === undefined ? undefined : `${foreign} is not an address of node ${name}`;
}

function readPem(base64: string): SigningRequest | string {
  const pem = Buffer.from(base64, "base64").toString("latin1");
  const body = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END/.exec(pem)?.[1];
  if (body === undefined) return "it holds no PEM certificate request";
  try {
    return readSigningRequest(Buffer.from(body, "base64"));
  } catch (error) {
    if (error instanceof PkiError) return error.message;
    throw error;
  }
}

/** An IPv6 address may be written in many ways; what is no address equals nothing that is. */
function bytesOf(address: string): string {
  try {
    return addressBytes(address).toString("hex");
  } catch {
    return address;
  }
}
