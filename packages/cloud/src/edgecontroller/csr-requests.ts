import { type CertificateSigningRequest, CERTIFICATE_SIGNING_REQUESTS } from "@kedge/kube";
import { nodeUserName } from "@kedge/protocol";
import { readSigningRequest } from "../cloudhub/pki/signing-request.ts";
import {
  badRequest,
  forbidden,
  objectContent,
  type UpstreamHandler,
  type UpstreamRequest,
  withoutEmptyTimes,
  withoutManagedFields,
} from "./upstream-request.ts";

/** The one kind of certificate that a node asks the cluster for: for its own servers. */
const SIGNER = "kubernetes.io/kubelet-serving";

/** @throws KubeApiError unless the request is for this node's own server certificate. */
function expectOwn(request: UpstreamRequest, csr: CertificateSigningRequest): void {
  const { node } = request;
  if (csr.spec?.signerName !== SIGNER) throw forbidden(`node ${node} may ask only the signer ${SIGNER}`);
  const pem = Buffer.from(csr.spec.request, "base64").toString("ascii");
  const base64 = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END/.exec(pem)?.[1];
  if (base64 === undefined) throw badRequest("spec.request holds no PEM certificate request");
  if (readSigningRequest(Buffer.from(base64, "base64")).commonName !== nodeUserName(node))
    throw forbidden(`node ${node} may ask only for a certificate named ${nodeUserName(node)}`);
}

export const createSigningRequest: UpstreamHandler = {
  may: "ask for a serving certificate of its own name",
  answer: "object",
  async run(request, { kube }, signal) {
    const csr = withoutEmptyTimes(objectContent<CertificateSigningRequest>(request));
    expectOwn(request, csr);
    const { name = request.key.name } = csr.metadata ?? {};
    const { spec } = csr;
    return withoutManagedFields(await kube.create(CERTIFICATE_SIGNING_REQUESTS, { metadata: { name }, spec }, signal));
  },
};

export const querySigningRequest: UpstreamHandler = {
  may: "read its own request for a serving certificate",
  answer: "bare",
  async run(request, { kube }, signal) {
    const csr = await kube.get(CERTIFICATE_SIGNING_REQUESTS, { name: request.key.name }, signal);
    expectOwn(request, csr);
    return withoutManagedFields(csr);
  },
};
