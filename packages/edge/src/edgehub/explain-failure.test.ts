import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { silentLogger } from "@kedge/runtime";
import { connectWebSocket, type TlsIdentity } from "@kedge/transport";
import { explainFailure, fixFor } from "./explain-failure.ts";
import type { HubError } from "./hub-error.ts";
import { TestAuthority, TestCloud } from "./test-cloud.test-data.ts";

const CLIENT = "CN=system:node:edge-1";
const PAST = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() - 30_000) };
const FUTURE = { notBefore: new Date(Date.now() + 3_600_000), notAfter: new Date(Date.now() + 7_200_000) };

/** Connects, which must fail. */
async function failure(server: string, tls: TlsIdentity, handshakeTimeoutMs = 5_000): Promise<HubError> {
  const options = { headers: {}, tls, handshakeTimeoutMs, writeTimeoutMs: 1_000, pingAfterMs: 0, logger: silentLogger };
  try {
    const link = await connectWebSocket({ url: `wss://${server}/p/n/events`, ...options }, AbortSignal.timeout(10_000));
    link.terminate("not wanted");
  } catch (error) {
    return explainFailure(error, server);
  }
  throw new Error("it connected");
}

interface Case {
  readonly name: string;
  readonly code: HubError["code"];
  readonly says: RegExp;
  readonly make: (cloud: TestCloud, identity: TlsIdentity) => Promise<HubError>;
  readonly server?: Parameters<typeof TestCloud.start>[0];
}

const cases: readonly Case[] = [
  {
    name: "a closed port",
    code: "ConnectionRefused",
    says: /nothing listens at .*check the address, and that cloudcore runs/,
    make: async (cloud, identity) => {
      await cloud.close();
      return failure(cloud.server, identity);
    },
  },
  {
    name: "a server with a certificate for another name",
    code: "WrongServerName",
    says: /is for another name: add this one to advertiseAddress or dnsNames/,
    make: (cloud, identity) => failure(cloud.server.replace("127.0.0.1", "localhost"), identity),
  },
  {
    name: "a server of another authority",
    code: "UnknownAuthority",
    says: /another authority than ours/,
    make: async (cloud, identity) => {
      const other = await TestAuthority.create();
      return failure(cloud.server, { ...identity, ca: other.certificate.toString("pem") });
    },
  },
  {
    name: "our certificate of another authority",
    code: "HungUp",
    says: /does not accept this node's certificate, then join again with a new token/,
    make: async (cloud, identity) => {
      const other = await (await TestAuthority.create()).identity(CLIENT);
      return failure(cloud.server, { ...other, ca: identity.ca });
    },
  },
  {
    name: "our expired certificate",
    code: "HungUp",
    says: /does not accept this node's certificate/,
    make: async (cloud) => failure(cloud.server, await cloud.authority.identity(CLIENT, PAST)),
  },
  {
    name: "a server with an expired certificate",
    code: "ServerCertificateExpired",
    says: /has expired by this host's clock/,
    server: PAST,
    make: (cloud, identity) => failure(cloud.server, identity),
  },
  {
    name: "a clock that is behind",
    code: "ClockWrong",
    says: /is not valid yet by this host's clock: set the clock/,
    server: FUTURE,
    make: (cloud, identity) => failure(cloud.server, identity),
  },
  {
    name: "a name that another host uses",
    code: "ServerRefused",
    says: /HTTP status 409: the name is taken; another host uses this node's name/,
    make: (cloud, identity) => {
      cloud.admit = () => ({ httpStatus: 409, reason: "the name is taken" });
      return failure(cloud.server, identity);
    },
  },
  {
    name: "a cloud that has as many nodes as it may",
    code: "ServerRefused",
    says: /serves 2 nodes already .*; raise modules.cloudHub.nodeLimit in cloudcore.yaml, or take nodes away$/,
    make: (cloud, identity) => {
      const reason = "this cloudcore serves 2 nodes already (modules.cloudHub.nodeLimit)";
      cloud.admit = () => ({ httpStatus: 503, reason });
      return failure(cloud.server, identity);
    },
  },
  {
    name: "a host that stays silent",
    code: "Unreachable",
    says: /does not answer: check routes and firewalls/,
    make: async (_cloud, identity) => {
      const server = createServer((socket) => socket.on("error", () => undefined)).listen(0, "127.0.0.1");
      await once(server, "listening");
      try {
        return await failure(`127.0.0.1:${(server.address() as AddressInfo).port}`, identity, 100);
      } finally {
        server.close();
      }
    },
  },
];

for (const { name, code, says, make, server } of cases)
  test(`${name} is told as one cause and one thing to do`, async () => {
    await using cloud = await TestCloud.start(server);
    const error = await make(cloud, await cloud.authority.identity(CLIENT));
    assert.equal(error.code, code, `${error.message}: ${String(error.cause)}`);
    assert.match(error.message, says);
    assert.ok(error.message.endsWith(fixFor(error)), "what is to do is the message's end");
  });

test("a name that does not resolve is told so", () => {
  for (const code of ["ENOTFOUND", "EAI_AGAIN"])
    assert.match(
      explainFailure(Object.assign(new Error(code), { code }), "cloud.example:10000").message,
      /the name in cloud.example:10000 cannot be resolved: check the address and this host's DNS/,
    );
});

test("a Go server's alert names the certificate, and so do we", () => {
  for (const code of [
    "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED",
    "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
  ])
    assert.equal(explainFailure(Object.assign(new Error(code), { code }), "cloud:10000").code, "CertificateRejected");
});
