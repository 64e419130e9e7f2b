import assert from "node:assert/strict";
import { test } from "node:test";
import { type KubeObject, parseFieldSelector, parseLabelSelector } from "@kedge/kube";
import { TestKubernetes } from "@kedge/testing";
import { builtinResources } from "../src/resources/builtin-resources.ts";
import { RealKubernetes } from "./real-kubernetes.ts";

const LABEL_SELECTORS = [
  "a",
  "!a",
  "a=b",
  "a==b",
  "a!=b",
  "a=",
  "a in (b)",
  "a in (b,c)",
  "a in ( b , c )",
  "a in()",
  "a in (,)",
  "a notin (b)",
  "a>1",
  "a<1",
  "a > 1",
  "a>x",
  "a>-1",
  "a,b",
  "a,",
  ",a",
  "a,,b",
  "a=b,c!=d,!e,f in (g)",
  " a = b ",
  "! a",
  "!a=b",
  "a b",
  "a=b=c",
  "a=b c",
  "x/y=z",
  "x/y/z=1",
  "/y=1",
  "a=-b",
  "a=b-",
  "A=B",
  "a_b.c=d",
  "in=in",
  "in in (in)",
  "notin notin (in)",
  "a in (b",
  "a in b",
  "a)",
  "(a)",
  "",
  " ",
  "a=x/y",
  "é=1",
  "a=1.5",
  "exists",
  "a!b",
  "a=!b",
  "a in (b),",
  "!",
  "=a",
  "a in (b) c",
  "a in (b),c",
  `a=${"x".repeat(64)}`,
  `${"x".repeat(64)}=a`,
  "a=b\n",
  "a\t=b",
];
const FIELD_SELECTORS = [
  "metadata.name=a",
  "metadata.name==a",
  "metadata.name!=a",
  "metadata.name",
  "metadata.name=",
  "=a",
  "metadata.name=a=b",
  "metadata.name=a\\=b",
  "metadata.name=a\\",
  "metadata.name=a,spec.nodeName=b",
  "metadata.name=a,",
  ",metadata.name=a",
  "metadata.name=a\\,b",
  "metadata.name=a\\b",
  "",
  "metadata.name!a",
];
const QUANTITIES: readonly (string | number)[] = [
  "1",
  1,
  0.5,
  "0.5",
  "1.",
  ".5",
  "100m",
  "1000m",
  "1500m",
  "1k",
  "1000k",
  "1024",
  "1Ki",
  "1024Ki",
  "1.5Gi",
  "0.5Ki",
  "0.1Ki",
  "1e3",
  "1E3",
  "1e-3",
  "12e-1",
  "1E",
  "1Ei",
  "10E",
  "1n",
  "1u",
  "1500u",
  "0.1n",
  "0",
  "0m",
  "0Gi",
  "00.10",
  "1e1",
  "1e20",
  "9223372036854775807",
  "9223372036854775808",
  "99999999999999999999",
  "1.0000000001",
  "123456789.123456789",
  "2.5Mi",
  "1.2345Gi",
  "",
  "1 Gi",
  "1gi",
  "1KiB",
  "--1",
  "1e",
  "0x10",
  "1.2.3",
  "+1",
  "1.500",
  "0.100",
  "1e3k",
  "1mm",
  "1e+2",
];

test(
  "reads selectors and quantities as a real API server does",
  { skip: TestKubernetes.missing(), timeout: 120_000 },
  async () => {
    await using kubernetes = await TestKubernetes.start();
    const real = new RealKubernetes(kubernetes);
    const readable = (read: () => unknown) => {
      try {
        read();
        return true;
      } catch {
        return false;
      }
    };
    for (const selector of LABEL_SELECTORS) {
      const { status } = await real.call("GET", `/api/v1/pods?labelSelector=${encodeURIComponent(selector)}`);
      assert.equal(
        readable(() => parseLabelSelector(selector)),
        status === 200,
        `label selector ${JSON.stringify(selector)}`,
      );
    }
    for (const selector of FIELD_SELECTORS) {
      const { status } = await real.call("GET", `/api/v1/pods?fieldSelector=${encodeURIComponent(selector)}`);
      assert.equal(
        readable(() => parseFieldSelector(selector)),
        status === 200,
        `field selector ${JSON.stringify(selector)}`,
      );
    }
    const quotas = builtinResources().find(({ type }) => type.kind === "ResourceQuota");
    for (const quantity of QUANTITIES) {
      const object = {
        apiVersion: "v1",
        kind: "ResourceQuota",
        metadata: { name: "q", namespace: "default" },
        spec: { hard: { "requests.storage": quantity } },
      };
      const path = "/api/v1/namespaces/default/resourcequotas?dryRun=All";
      const { status, body } = await real.call<{ spec: { hard: Record<string, string> } }>("POST", path, {
        body: object,
      });
      const ours = structuredClone(object) as KubeObject & typeof object;
      const accepted = readable(() => quotas?.prune(ours)) && quotas?.validate(ours, undefined).length === 0;
      const about = `quantity ${JSON.stringify(quantity)}`;
      assert.equal(accepted, status === 201, about);
      if (accepted) assert.equal(ours.spec.hard["requests.storage"], body.spec.hard["requests.storage"], about);
    }
  },
);
