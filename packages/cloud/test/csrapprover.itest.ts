import assert from "node:assert/strict";
import { test } from "node:test";
import { CERTIFICATE_SIGNING_REQUESTS, EVENTS, type Node, NODES } from "@kedge/kube";
import { connectKube, loadKubeconfig } from "@kedge/kube-client";
import { silentLogger, systemClock } from "@kedge/runtime";
import { TestKubernetes } from "@kedge/testing";
import { CsrApprover } from "../src/csrapprover/csrapprover.ts";
import { servingRequest } from "./serving-request.ts";

test(
  "approves an edge node's request for its own serving certificate, and leaves others alone, saying why",
  { skip: TestKubernetes.missing(), timeout: 120_000 },
  async () => {
    await using kubernetes = await TestKubernetes.start({ controllerManager: true });
    await kubernetes.kubectl(
      "create",
      "clusterrolebinding",
      "nodes",
      "--clusterrole=system:node",
      "--group=system:nodes",
    );
    await using kube = kubernetes.connect();
    const signal = AbortSignal.timeout(100_000);
    const node: Node = { metadata: { name: "edge-1", labels: { "node-role.kubernetes.io/edge": "" } } };
    await kube.create(NODES, node, signal);
    await using edge = connectKube(
      loadKubeconfig(await kubernetes.kubeconfigFor("system:node:edge-1", ["system:nodes"])),
    );
    await kubernetes.kubectl("create", "clusterrolebinding", "mallory", "--clusterrole=system:node", "--user=mallory");
    await using mallory = connectKube(loadKubeconfig(await kubernetes.kubeconfigFor("mallory")));
    await using _ = await CsrApprover.start({ kube, clock: systemClock, logger: silentLogger }, signal);
    const submit = (name: string, commonName: string, by = edge) =>
      by.create(
        CERTIFICATE_SIGNING_REQUESTS,
        {
          metadata: { name },
          spec: {
            signerName: "kubernetes.io/kubelet-serving",
            usages: ["digital signature", "key encipherment", "server auth"],
            request: Buffer.from(servingRequest(commonName, ["127.0.0.1", "169.254.30.10"])).toString("base64"),
          },
        },
        signal,
      );

    await submit("own", "system:node:edge-1");
    await submit("through-cloudcore", "system:node:edge-1", kube);
    await submit("stolen", "system:node:edge-1", mallory);
    // The cluster's controller signs what is approved.
    await kubernetes.kubectl(
      "wait",
      "--for=jsonpath={.status.certificate}",
      "csr/own",
      "csr/through-cloudcore",
      "--timeout=60s",
    );
    const events = { namespace: "default", fieldSelector: "involvedObject.name=stolen" };
    let [event] = (await kube.list(EVENTS, events, signal)).items;
    while (event === undefined) [event] = (await kube.list(EVENTS, events, signal)).items;
    assert.equal(event.reason, "NotApproved");
    assert.match(event.message ?? "", /mallory may not ask for the certificate of node edge-1/);
    const { status } = await kube.get(CERTIFICATE_SIGNING_REQUESTS, { name: "stolen" }, signal);
    assert.equal(status?.conditions, undefined);
  },
);
