import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { suite, test } from "node:test";
import type { CertificateSigningRequest, Node } from "@kedge/kube";
import { addressBytes, encodeName } from "../cloudhub/pki/certificate-builder.ts";
import { bitString, element, integer, oid, sequence, Tag } from "../cloudhub/pki/der.ts";
import { readServingRequest, whyNotItsNames } from "./judge-request.ts";

interface Wish {
  readonly commonName?: string;
  readonly organization?: string;
  readonly dnsNames?: readonly string[];
  readonly addresses?: readonly string[];
  readonly uri?: string;
}

const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });

function pem({ commonName = "system:node:edge-1", organization = "system:nodes", ...names }: Wish = {}): string {
  const { dnsNames = ["edge-1"], addresses = ["127.0.0.1"], uri } = names;
  const alternatives = sequence(
    ...dnsNames.map((name) => element(0x82, Buffer.from(name))),
    ...addresses.map((address) => element(0x87, addressBytes(address))),
    ...(uri === undefined ? [] : [element(0x86, Buffer.from(uri))]),
  );
  const extension = sequence(oid("2.5.29.17"), element(Tag.octetString, alternatives));
  const info = sequence(
    integer(Buffer.from([0])),
    encodeName({ organization, commonName }),
    publicKey.export({ type: "spki", format: "der" }),
    element(0xa0, sequence(oid("1.2.840.113549.1.9.14"), element(Tag.set, sequence(extension)))),
  );
  const der = sequence(info, sequence(oid("1.2.840.10045.4.3.2")), bitString(sign("sha256", info, privateKey)));
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
}

const csr = (
  wish: Wish = {},
  spec: Partial<NonNullable<CertificateSigningRequest["spec"]>> = {},
): CertificateSigningRequest => ({
  spec: {
    signerName: "kubernetes.io/kubelet-serving",
    username: "system:node:edge-1",
    usages: ["digital signature", "key encipherment", "server auth"],
    request: Buffer.from(pem(wish)).toString("base64"),
    ...spec,
  },
});
const self = "system:serviceaccount:kubeedge:cloudcore";
const node: Node = {
  metadata: { name: "edge-1", labels: { "node-role.kubernetes.io/edge": "" } },
  status: {
    addresses: [
      { type: "InternalIP", address: "192.0.2.1" },
      { type: "InternalIP", address: "fd00::1" },
      { type: "Hostname", address: "edge-1.example" },
    ],
  },
};

function verdict(request: CertificateSigningRequest, of: Node | undefined = node): string {
  const read = readServingRequest(request, self);
  return typeof read === "string" ? read : (whyNotItsNames(read, of) ?? "approve");
}

suite("S12: a request for a serving certificate", () => {
  const approved: Readonly<Record<string, CertificateSigningRequest>> = {
    "by the node itself": csr(),
    "by cloudcore for it": csr({}, { username: self }),
    "for MetaServer's two addresses": csr({ dnsNames: [], addresses: ["127.0.0.1", "169.254.30.10", "::1"] }),
    "for all names and addresses of the node": csr({
      dnsNames: ["edge-1", "edge-1.example"],
      addresses: ["192.0.2.1", "fd00:0:0:0:0:0:0:1"],
    }),
  };
  for (const [name, request] of Object.entries(approved))
    test(`${name} is approved`, () => assert.equal(verdict(request), "approve"));

  const left: readonly {
    readonly name: string;
    readonly request: CertificateSigningRequest;
    readonly says: RegExp;
    readonly of?: Node;
  }[] = [
    {
      name: "by another node",
      request: csr({}, { username: "system:node:edge-2" }),
      says: /system:node:edge-2 may not/,
    },
    { name: "by somebody else", request: csr({}, { username: "mallory" }), says: /mallory may not/ },
    { name: "in another's name", request: csr({ commonName: "system:node:edge-2" }), says: /may not ask for/ },
    { name: "in the API server's name", request: csr({ commonName: "kube-apiserver" }), says: /not that of a node/ },
    { name: "in no name", request: csr({ commonName: "system:node:" }), says: /not that of a node/ },
    { name: "of another group", request: csr({ organization: "system:masters" }), says: /organization/ },
    {
      name: "to another signer",
      request: csr({}, { signerName: "kubernetes.io/kube-apiserver-client" }),
      says: /signer/,
    },
    { name: "to be a client, too", request: csr({}, { usages: ["server auth", "client auth"] }), says: /client auth/ },
    { name: "without serving", request: csr({}, { usages: ["digital signature"] }), says: /server auth/ },
    {
      name: "for a service's name",
      request: csr({ dnsNames: ["kubernetes.default.svc"] }),
      says: /not a name of node/,
    },
    {
      name: "for another's address",
      request: csr({ addresses: ["192.0.2.2"] }),
      says: /192\.0\.2\.2 is not an address/,
    },
    { name: "for a URI", request: csr({ uri: "spiffe://x" }), says: /neither host names/ },
    { name: "for nothing", request: csr({ dnsNames: [], addresses: [] }), says: /no name or address/ },
    { name: "that is no PEM", request: csr({}, { request: "eA==" }), says: /no PEM/ },
    {
      name: "of a node that is no edge node",
      request: csr(),
      of: { metadata: { name: "edge-1" } },
      says: /no edge node/,
    },
  ];
  for (const { name, request, says, of } of left)
    test(`${name} is left alone`, () => assert.match(verdict(request, of), says));

  test("of a node that is not there is left alone", () => {
    const read = readServingRequest(csr(), self);
    assert.ok(typeof read !== "string");
    assert.match(whyNotItsNames(read, undefined) ?? "", /no node edge-1/);
  });
});

for (const name of [
  "kubernetes",
  "kubernetes.default",
  "kubernetes.default.svc",
  "a.b.svc.cluster.local",
  "*.default.svc",
  "*",
])
  test(`S12: a node that reports ${name} as its own name gets no certificate for it`, () => {
    const addresses = [{ type: "InternalDNS", address: name }];
    assert.match(
      verdict(csr({ dnsNames: [name] }), { ...node, status: { addresses } }),
      /name of the cluster's own services/,
    );
  });
