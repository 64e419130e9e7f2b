import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject, sign, X509Certificate } from "node:crypto";
import { suite, test } from "node:test";
import { addressBytes, encodeName } from "./certificate-builder.ts";
import { CertificateAuthority } from "./certificate-authority.ts";
import { bitString, element, integer, oid, sequence, Tag } from "./der.ts";
import { readSigningRequest } from "./signing-request.ts";

const ECDSA_SHA256 = "1.2.840.10045.4.3.2";
const name = encodeName({ organization: "system:nodes", commonName: "system:node:edge-1" });
const TRUE = element(Tag.boolean, Buffer.from([0xff]));

interface Request {
  readonly subject?: Buffer;
  readonly keys?: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
  readonly spki?: Buffer;
  readonly extensions?: readonly Buffer[];
  readonly algorithm?: string;
  readonly hash?: string;
}

const ec = (namedCurve: string) => generateKeyPairSync("ec", { namedCurve });

function request({ subject = name, keys = ec("prime256v1"), spki, extensions = [], ...rest }: Request = {}): Buffer {
  const { algorithm = ECDSA_SHA256, hash = "sha256" } = rest;
  const wanted = sequence(oid("1.2.840.113549.1.9.14"), element(Tag.set, sequence(...extensions)));
  const info = sequence(
    integer(Buffer.from([0])),
    subject,
    spki ?? keys.publicKey.export({ type: "spki", format: "der" }),
    element(0xa0, ...(extensions.length === 0 ? [] : [wanted])),
  );
  return sequence(info, sequence(oid(algorithm)), bitString(sign(hash, info, keys.privateKey)));
}

const extension = (id: string, value: Buffer) => sequence(oid(id), TRUE, element(Tag.octetString, value));
const alternativeNames = extension(
  "2.5.29.17",
  sequence(
    element(0x82, Buffer.from("kubernetes.default.svc")),
    element(0x87, addressBytes("192.0.2.1")),
    element(0x87, addressBytes("fd00::1")),
    element(0x86, Buffer.from("spiffe://cluster/admin")),
  ),
);

suite("W1: what a request asks for beyond its key", () => {
  const ca = CertificateAuthority.create(Date.now());
  const demanding: readonly { readonly name: string; readonly asked: Request }[] = [
    { name: "other names", asked: { extensions: [alternativeNames] } },
    { name: "to be a CA", asked: { extensions: [extension("2.5.29.19", sequence(TRUE))] } },
    {
      name: "to serve, to sign code and to sign certificates",
      asked: {
        extensions: [
          extension("2.5.29.37", sequence(oid("1.3.6.1.5.5.7.3.1"), oid("1.3.6.1.5.5.7.3.3"))),
          extension("2.5.29.15", bitString(Buffer.from([0xff]))),
        ],
      },
    },
    {
      name: "another group",
      asked: { subject: encodeName({ organization: "system:masters", commonName: "system:node:edge-1" }) },
    },
    { name: "nothing, with the strongest key", asked: { keys: ec("secp521r1") } },
  ];
  for (const { name: what, asked } of demanding)
    test(`${what}: it gets what every node gets`, () => {
      const issued = new X509Certificate(ca.issueEdge("edge-1", readSigningRequest(request(asked)), 1, Date.now()));
      assert.equal(issued.subject, "O=system:nodes\nCN=system:node:edge-1");
      assert.equal(issued.subjectAltName, undefined);
      assert.deepEqual(issued.keyUsage, ["1.3.6.1.5.5.7.3.2"]);
      assert.equal(issued.ca, false);
    });

  test("but what it asks for can be read, for those who must judge it", () => {
    const { alternativeNames: names } = readSigningRequest(request({ extensions: [alternativeNames] }));
    assert.deepEqual(names, {
      dnsNames: ["kubernetes.default.svc"],
      ipAddresses: ["192.0.2.1", "fd00:0:0:0:0:0:0:1"],
      others: 1,
    });
  });
});

suite("W1: hostile requests", () => {
  const good = request();
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const ed25519 = generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "der" });
  const otherKey = ec("prime256v1").publicKey.export({ type: "spki", format: "der" });
  const damaged = Buffer.from(good);
  damaged[damaged.length - 3] = (damaged[damaged.length - 3] ?? 0) ^ 1;
  const twice = sequence(
    ...["system:node:edge-1", "system:node:victim"].map((commonName) => encodeName({ commonName }).subarray(2)),
  );
  const hostile: readonly { readonly name: string; readonly der: Buffer; readonly says: RegExp }[] = [
    { name: "bytes behind it", der: Buffer.concat([good, Buffer.from([0])]), says: /not valid DER/ },
    { name: "a second request behind it", der: Buffer.concat([good, good]), says: /not valid DER/ },
    { name: "cut short", der: good.subarray(0, -1), says: /not valid DER/ },
    { name: "empty", der: Buffer.alloc(0), says: /not valid DER/ },
    { name: "a length of four gigabytes", der: Buffer.from("3084ffffffff", "hex"), says: /not valid DER/ },
    {
      name: "a certificate",
      der: CertificateAuthority.create(0).pair.certificate,
      says: /certificate signing request/,
    },
    { name: "a damaged signature", der: damaged, says: /wrong signature/ },
    { name: "somebody else's key", der: request({ spki: otherKey }), says: /wrong signature/ },
    {
      name: "RSA",
      der: request({ keys: rsa, algorithm: "1.2.840.113549.1.1.11" }),
      says: /algorithm that is not allowed/,
    },
    { name: "an RSA key that claims ECDSA", der: request({ keys: rsa }), says: /key that is not allowed/ },
    { name: "an Edwards curve", der: request({ spki: ed25519 }), says: /key that is not allowed/ },
    { name: "a curve of another kind", der: request({ keys: ec("secp256k1") }), says: /key that is not allowed/ },
    { name: "a small curve", der: request({ keys: ec("secp224r1") }), says: /key that is not allowed/ },
    {
      name: "SHA-1",
      der: request({ algorithm: "1.2.840.10045.4.1", hash: "sha1" }),
      says: /algorithm that is not allowed/,
    },
    { name: "a key that is none", der: request({ spki: sequence(integer(Buffer.from([1]))) }), says: /cannot be read/ },
    { name: "two common names", der: request({ subject: twice }), says: /more than one common name/ },
    {
      name: "thousands of names",
      der: request({ subject: sequence(...Array.from({ length: 5_000 }, () => element(Tag.set))) }),
      says: /not valid DER/,
    },
  ];
  for (const { name: what, der, says } of hostile)
    test(`${what}: refused`, () =>
      assert.throws(() => readSigningRequest(der), { code: "InvalidRequest", message: says }));

  test("nothing but the key itself gets into the certificate", () => {
    const keys = ec("prime256v1");
    const spki = keys.publicKey.export({ type: "spki", format: "der" });
    const { publicKey } = readSigningRequest(request({ keys }));
    assert.deepEqual(publicKey, spki);
    // The same key, written in a longer way than DER allows, with room for something.
    const long = Buffer.concat([Buffer.from([0x30, 0x82, 0, spki.length - 2]), spki.subarray(2)]);
    try {
      assert.deepEqual(readSigningRequest(request({ keys, spki: long })).publicKey, spki);
    } catch (error) {
      assert.match(String(error), /InvalidRequest|cannot be read|not valid DER/);
    }
  });
});
