export type { EdgeBus, EdgeMessages, EdgeNotices } from "./edge-messages.ts";
export { type EdgeCoreDeps, startEdgeCore, SUPPORTED_SWITCHES } from "./edgecore.ts";
export { hostFacts, runningKubelet } from "./edgecore-host.ts";
export { callCertificateApi, type CertificateAnswer } from "./edgehub/certificate-api.ts";
export { explainFailure } from "./edgehub/explain-failure.ts";
export { HubError } from "./edgehub/hub-error.ts";
export { type JoinToken, parseJoinToken } from "./edgehub/join-token.ts";
export { joinWithToken } from "./edgehub/obtain-certificate.ts";
