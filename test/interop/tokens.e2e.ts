/** What is ours at the door, with the edge that knows nothing of it: tokens of our own, and expired certificates (W12). */
import assert from "node:assert/strict";
import { createPublicKey, X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { TokenStore } from "@kedge/cloud";
import { type Lease, LEASES, SECRETS } from "@kedge/kube";
import { CertificateAuthority } from "../../packages/cloud/src/cloudhub/pki/certificate-authority.ts";
import { derToPem } from "../../packages/cloud/src/cloudhub/pki/pem.ts";
import { kubernetesCloud, OUR_CLOUD, type TestCloud, waitForNode } from "../e2e/test-cloud.ts";
import { TestEdgeNode } from "../e2e/test-edge-node.ts";
import { waitForObject } from "../e2e/wait-for-object.ts";
import { BOTH_ENDS_MS, signal } from "./check.ts";
import { EdgeHost } from "./edge-host.ts";
import { IMPATIENT, missingForInterop } from "./pairs.ts";
import { STOCK_EDGE } from "./stock-programs.ts";

const NODE = "edge-token";
const HOUR_MS = 3_600_000;
const TIMEOUT_MS = 300_000;

describe("a stock edge at our door", { skip: missingForInterop() }, () => {
  const scope = new AsyncDisposableStack();
  let cloud: TestCloud;
  let node: TestEdgeNode;

  before(async () => {
    const dir = await mkdtemp(join(tmpdir(), "kedge-tokens-"));
    scope.defer(() => rm(dir, { recursive: true, force: true }));
    cloud = scope.use(await kubernetesCloud(OUR_CLOUD)(dir, "127.0.0.1"));
  });
  after(() => scope.disposeAsync());

  test("W10: joins with a token for this node alone, which is used up then", { timeout: TIMEOUT_MS }, async () => {
    const store = new TokenStore(cloud.kube);
    const wanted = { node: NODE, usesMax: 1, ttlMs: HOUR_MS };
    const { token, record } = await store.create(wanted, Date.now(), signal());
    const host = scope.use(await EdgeHost.create());
    const edgeHub = { ...IMPATIENT.edgeHub, token };
    const options = { ...IMPATIENT, name: NODE, program: STOCK_EDGE, enter: host.enter, edgeHub };
    node = scope.use(await TestEdgeNode.join(cloud, options));
    await waitForNode(cloud.kube, NODE, "True", BOTH_ENDS_MS);
    const used = (await store.get(record.id, signal()))?.record;
    assert.equal(used?.uses, 1);
    assert.equal(used.lastUse?.node, NODE);
  });

  test("W12: finds its way back with a certificate that is over", { timeout: TIMEOUT_MS }, async () => {
    await node.killAgent();
    const [certFile, keyFile] = [
      join(node.containerd.root, "pki/server.crt"),
      join(node.containerd.root, "pki/server.key"),
    ];
    const { data = {} } = await cloud.kube.get(SECRETS, { namespace: "kubeedge", name: "casecret" }, signal());
    const [certificate, key] = ["cadata", "cakeydata"].map((name) => Buffer.from(data[name] ?? "", "base64"));
    assert.ok(certificate !== undefined && key !== undefined);
    const ca = new CertificateAuthority({ certificate, key }, "casecret");
    const publicKey = createPublicKey(await readFile(keyFile)).export({ type: "spki", format: "der" });
    const over = ca.issueEdge(NODE, { publicKey }, -1 / 1440, Date.now());
    await writeFile(certFile, derToPem("CERTIFICATE", over));
    const restarted = Date.now();
    await node.startAgent();
    // Its lease comes over the channel, which takes no certificate that is over.
    const lease = { namespace: "kube-node-lease", name: NODE };
    const isRenewed = (found: Lease | undefined) => Date.parse(found?.spec?.renewTime ?? "") > restarted;
    await waitForObject(cloud.kube, LEASES, lease, isRenewed, BOTH_ENDS_MS);
    const renewed = new X509Certificate(await readFile(certFile));
    assert.ok(renewed.validToDate.getTime() > Date.now());
    assert.equal(renewed.subject, `O=system:nodes\nCN=system:node:${NODE}`);
  });
});
