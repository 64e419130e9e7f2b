import { type Finding, found } from "@kedge/runtime";
import { callCertificateApi } from "../edgehub/certificate-api.ts";
import { isJoined, readToken } from "./check-identity.ts";
import type { EdgeFacts } from "./edge-facts.ts";

const ANSWER_MS = 5_000;

/**
 * Whether the cluster has a node of this name already, asked with the join token as `keadm join` asks. A stock cloud tells
 * everybody; ours tells who may join.
 */
export async function checkNameTaken({ config, ca }: EdgeFacts, signal: AbortSignal): Promise<Finding> {
  if (config === undefined) return found.skipped("needs the configuration");
  if (!config.modules.edgeHub.enable) return found.skipped("modules.edgeHub is off");
  if (isJoined(config)) return found.skipped("this node has joined under its name");
  const { parsed } = readToken(config);
  if (parsed === undefined || ca === undefined) return found.skipped("needs a join token, and a cloud that answers");
  const name = config.modules.edged.hostnameOverride;
  const { httpStatus } = await callCertificateApi(
    {
      server: config.modules.edgeHub.httpServer,
      path: `/node/${encodeURIComponent(name)}`,
      headers: { authorization: `Bearer ${parsed.bearer}` },
      ca,
      timeoutMs: ANSWER_MS,
    },
    signal,
  );
  if (httpStatus === 200)
    return found.warning(
      `the cluster has a node ${name} already`,
      `if that is another host, set another modules.edged.hostnameOverride here; if it was this one: kubectl delete node ${name}`,
    );
  if (httpStatus === 404) return found.ok(`no other node is called ${name}, as far as the cloud tells`);
  return found.skipped(`the cloud does not tell (HTTP status ${httpStatus})`);
}
