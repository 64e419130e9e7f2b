import assert from "node:assert/strict";
import { createPrivateKey, sign, X509Certificate } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { after, before, suite, test } from "node:test";
import { EVENTS, type Node, NODES, SECRETS } from "@kedge/kube";
import { deferred } from "@kedge/runtime";
import { TestKubernetes } from "@kedge/testing";
import { ADDRESS_CONNECTIONS_MAX } from "../src/cloudhub/https-server.ts";
import { CertificateAuthority } from "../src/cloudhub/pki/certificate-authority.ts";
import { createJoinToken } from "../src/cloudhub/pki/join-token.ts";
import { signToken } from "../src/cloudhub/pki/json-web-token.ts";
import { derToPem } from "../src/cloudhub/pki/pem.ts";
import { readSigningRequest } from "../src/cloudhub/pki/signing-request.ts";
import { type NewToken, TOKEN_KEY_SECRET, TokenStore } from "../src/cloudhub/pki/token-store.ts";
import { type CloudFixture, startCloud, startKubernetes } from "./cloud-fixture.ts";
import { type EdgeIdentity, httpsGet, join, of, signingRequest, StockEdge } from "./stock-edge.ts";

const timeout = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const labels = { "node-role.kubernetes.io/edge": "" };
const secretKey = (name: string) => ({ namespace: "kubeedge", name });

suite("joining, on a real Kubernetes API", { skip: TestKubernetes.missing(), timeout: 300_000 }, () => {
  let kubernetes: TestKubernetes;
  let shared: CloudFixture;
  let count = 0;

  before(async () => {
    kubernetes = await startKubernetes();
    shared = await startCloud(kubernetes);
  });
  after(async () => {
    await shared[Symbol.asyncDispose]();
    await kubernetes[Symbol.asyncDispose]();
  });

  const newName = () => `joiner-${(count += 1)}`;
  const createNode = (name: string, node: Partial<NonNullable<Node["metadata"]>> = { labels }) =>
    shared.kube.create<Node>(NODES, { metadata: { name, ...node } }, shared.signal);
  const newToken = async (wanted: Partial<NewToken> = {}) =>
    new TokenStore(shared.kube).create({ ttlMs: HOUR_MS, ...wanted }, Date.now(), shared.signal);
  const joinWith = (token: string, node: string, { cloud }: CloudFixture = shared) =>
    join(cloud.ports.https, token, node);
  const recordOf = async (id: string) => (await new TokenStore(shared.kube).get(id, shared.signal))?.record;

  async function clusterCa(): Promise<CertificateAuthority> {
    const { data = {} } = await shared.kube.get(SECRETS, secretKey("casecret"), shared.signal);
    const pair = {
      certificate: Buffer.from(data["cadata"] ?? "", "base64"),
      key: Buffer.from(data["cakeydata"] ?? "", "base64"),
    };
    return new CertificateAuthority(pair, "casecret");
  }

  suite("W10: join tokens of our own", () => {
    test("a token has the form that a stock edge takes, and its use is on record", { timeout }, async () => {
      const node = newName();
      const { token, record } = await newToken({ description: "the shed" });
      assert.match(token, /^[0-9a-f]{64}\.[\w-]+\.[\w-]+\.[\w-]+$/);
      await joinWith(token, node);
      const used = await recordOf(record.id);
      assert.equal(used?.uses, 1);
      assert.equal(used.lastUse?.node, node);
      assert.equal(used.lastUse.address, "127.0.0.1");
      assert.ok(Math.abs(used.lastUse.atMs - Date.now()) < 60_000);
      assert.ok(
        !JSON.stringify(await shared.kube.list(SECRETS, {}, shared.signal)).includes(token.split(".")[3] ?? ""),
      );
    });

    test("of many who use a single-use token at once, at two replicas, one gets in", { timeout }, async () => {
      await using other = await startCloud(kubernetes);
      const { token, record } = await newToken({ usesMax: 1 });
      const tries = Array.from({ length: 12 }, (_, at) => joinWith(token, newName(), at % 2 === 0 ? shared : other));
      const results = await Promise.allSettled(tries);
      const refused = results.filter((result) => result.status === "rejected");
      assert.equal(refused.length, 11);
      for (const { reason } of refused)
        assert.match(
          String(reason),
          /401: join token [0-9a-f]{16} was used 1 of 1 times, last by node joiner-\d+ at .*: make a new one/,
        );
      assert.equal((await recordOf(record.id))?.uses, 1);
    });

    test("what may be used so often is used so often", { timeout }, async () => {
      const { token, record } = await newToken({ usesMax: 5 });
      const results = await Promise.allSettled(Array.from({ length: 8 }, () => joinWith(token, newName())));
      assert.equal(results.filter(({ status }) => status === "fulfilled").length, 5);
      assert.equal((await recordOf(record.id))?.uses, 5);
    });

    test("a token for one node lets no other in, and is not used up by trying", { timeout }, async () => {
      const node = newName();
      const { token, record } = await newToken({ node, usesMax: 1 });
      await assert.rejects(
        joinWith(token, newName()),
        new RegExp(`401: join token ${record.id} is for node ${node}, not for`),
      );
      const asked = await httpsGet(shared.cloud.ports.https, `/node/${node}`, {
        headers: { Authorization: `Bearer ${token.split(".").slice(1).join(".")}` },
      });
      assert.equal(asked.status, 404); // who joins asks this first
      assert.equal((await recordOf(record.id))?.uses, 0);
      await joinWith(token, node);
    });

    test("a bad request does not use up a token", { timeout }, async () => {
      const node = newName();
      const { token, record } = await newToken({ usesMax: 1 });
      const headers = { Authorization: `Bearer ${token.split(".").slice(1).join(".")}`, NodeName: node };
      for (const body of [Buffer.from("garbage"), signingRequest("system:node:victim").der])
        assert.notEqual((await httpsGet(shared.cloud.ports.https, "/edge.crt", { headers, body })).status, 200);
      assert.equal((await recordOf(record.id))?.uses, 0);
      await joinWith(token, node);
    });

    test("a token that is deleted, or whose key is deleted, is void at once", { timeout }, async () => {
      const store = new TokenStore(shared.kube);
      const [deleted, voided] = [await newToken(), await newToken()];
      await joinWith(deleted.token, newName());
      assert.equal(await store.delete(deleted.record.id, shared.signal), true);
      assert.equal(await store.delete(deleted.record.id, shared.signal), false);
      await assert.rejects(joinWith(deleted.token, newName()), /401: .* is not valid any more, since it was deleted/);
      await joinWith(voided.token, newName());
      await shared.kube.delete(SECRETS, secretKey(TOKEN_KEY_SECRET.name), shared.signal);
      await assert.rejects(joinWith(voided.token, newName()), /401: .*voided/);
      const next = await newToken();
      await using fresh = await startCloud(kubernetes);
      await joinWith(next.token, newName(), fresh);
    });

    test("what tokens are signed with is not the CA's key, which signs none of them", { timeout }, async () => {
      const ca = await clusterCa();
      const { token, record } = await newToken();
      const key = await new TokenStore(shared.kube).key(shared.signal);
      assert.ok(key !== undefined && !key.equals(ca.pair.key));
      // Whoever has the CA's key can make the shared token with it, but none that claims to be one of ours.
      const forged = signToken({ jti: record.id, exp: Math.floor(Date.now() / 1000) + 3600 }, ca.pair.key);
      await assert.rejects(joinWith(`${token.split(".")[0]}.${forged}`, newName()), /401: .*not made by this cluster/);
    });

    test("an expired token is refused with both times, its own and ours", { timeout }, async () => {
      const expired = createJoinToken(await clusterCa(), Date.now() - 1_000);
      await assert.rejects(
        joinWith(expired, newName()),
        /401: the join token expired at \d{4}-.*Z: take a new one.* \(the time here is \d{4}-.*Z\)/,
      );
    });
  });

  test("W11: cloudcore writes no key into a file", { timeout }, async () => {
    const dir = await mkdtemp(joinPath(tmpdir(), "kedge-pki-"));
    try {
      const file = (name: string) => joinPath(dir, name);
      await using fixture = await startCloud(kubernetes, {
        tlsCAFile: file("ca.crt"),
        tlsCAKeyFile: file("ca.key"),
        tlsCertFile: file("server.crt"),
        tlsPrivateKeyFile: file("server.key"),
      });
      await joinWith(await fixture.token(), newName(), fixture);
      assert.deepEqual(await readdir(dir), []);
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  test("one address cannot hold all connections: others still join", { timeout }, async () => {
    const sockets = new Set<Socket>();
    const cut = deferred();
    try {
      for (let n = 0; n <= ADDRESS_CONNECTIONS_MAX; n += 1) {
        const socket = connect({ host: "127.0.0.1", port: shared.cloud.ports.https, localAddress: "127.0.0.9" });
        socket.on("error", () => undefined);
        socket.once("close", cut.resolve);
        sockets.add(socket);
      }
      await cut.promise;
      const { token } = await newToken();
      await joinWith(token, newName());
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });

  suite("whose name", () => {
    test(
      "a name is not given away while its node is connected, but to who may have just that",
      { timeout },
      async () => {
        const node = newName();
        await createNode(node);
        const identity = await joinWith(await shared.token(), node);
        await using edge = await StockEdge.connect(shared.cloud.ports.websocket, identity);
        await edge.wait(of(`null/node/${node}`));
        await assert.rejects(
          joinWith(await shared.token(), node),
          /409: another host is connected as node joiner-\d+: give this one another name/,
        );
        await joinWith((await newToken({ node })).token, node);
      },
    );

    test("a token does not make an edge node of another machine of the cluster", { timeout }, async () => {
      const node = newName();
      await createNode(node, { labels: { "node-role.kubernetes.io/control-plane": "" } });
      await assert.rejects(
        joinWith(await shared.token(), node),
        /403: node joiner-\d+ of this cluster is no edge node/,
      );
    });
  });

  suite("W12: a certificate that is over", () => {
    /** An edge's certificate that has begun and ended at these times. */
    async function overdue(node: string, issuedMs: number, days: number): Promise<EdgeIdentity> {
      const ca = await clusterCa();
      const { der, key } = signingRequest(`system:node:${node}`);
      const cert = ca.issueEdge(node, readSigningRequest(der), days, issuedMs);
      return { node, ca: ca.certificatePem, cert: derToPem("CERTIFICATE", cert), key };
    }
    const justOver = (node: string) => overdue(node, Date.now(), -60_000 / DAY_MS);
    const proofOf = (identity: EdgeIdentity, body: Buffer, signer = identity.key) => ({
      NodeName: identity.node,
      "Kedge-Renewal": new X509Certificate(identity.cert).raw.toString("base64"),
      "Kedge-Renewal-Proof": sign("sha256", body, createPrivateKey(signer)).toString("base64"),
    });
    const renew = (identity: EdgeIdentity, headers?: Record<string, string>) => {
      const { der } = signingRequest(`system:node:${identity.node}`);
      return httpsGet(shared.cloud.ports.https, "/edge.crt", {
        ca: identity.ca,
        headers: headers ?? proofOf(identity, der),
        body: der,
      });
    };

    test("is renewed for who proves its key, and for a stock edge that shows it", { timeout }, async () => {
      const node = newName();
      await createNode(node);
      const identity = await justOver(node);
      const proven = await renew(identity);
      assert.equal(proven.status, 200, proven.body.toString());
      const issued = new X509Certificate(proven.body);
      assert.equal(issued.subject, `O=system:nodes\nCN=system:node:${node}`);
      assert.ok(issued.validToDate.getTime() > Date.now());
      const { ca, cert, key } = identity;
      const body = signingRequest(`system:node:${node}`).der;
      const headers = { NodeName: node };
      const shown = await httpsGet(shared.cloud.ports.https, "/edge.crt", { ca, cert, key, headers, body });
      assert.equal(shown.status, 200, shown.body.toString());
    });

    test("is not renewed without proof, for another request, or another node's", { timeout }, async () => {
      const [node, other] = [newName(), newName()];
      await createNode(node);
      await createNode(other);
      const identity = await justOver(node);
      const { der } = signingRequest(`system:node:${node}`);
      const stranger = signingRequest("x");
      const cases = [
        { headers: proofOf(identity, signingRequest(`system:node:${node}`).der), status: 401, says: /does not prove/ },
        { headers: proofOf(identity, der, stranger.key), status: 401, says: /does not prove/ },
        { headers: { ...proofOf(identity, der), "Kedge-Renewal-Proof": "" }, status: 400, says: /Kedge-Renewal-Proof/ },
        { headers: { ...proofOf(identity, der), "Kedge-Renewal": "AAAA" }, status: 400, says: /Kedge-Renewal/ },
        { headers: { ...proofOf(identity, der), NodeName: other }, status: 401, says: /is for .*not for node/ },
      ];
      for (const { headers, status, says } of cases) {
        const answer = await renew(identity, headers);
        assert.equal(answer.status, status);
        assert.match(answer.body.toString(), says);
      }
      const foreign = CertificateAuthority.create(Date.now());
      const request = signingRequest(`system:node:${node}`);
      const cert = foreign.issueEdge(node, readSigningRequest(request.der), -0.001, Date.now());
      const theirs = { ...identity, cert: derToPem("CERTIFICATE", cert), key: request.key };
      assert.match((await renew(theirs)).body.toString(), /not of this cluster's CA/);
    });

    test(
      "is not renewed for a node that is gone, was created anew, or after too long a time",
      { timeout },
      async () => {
        const gone = await renew(await justOver(newName()));
        assert.equal(gone.status, 401);
        assert.match(
          gone.body.toString(),
          /the cluster has no such node any more: join again with a token \(the time here/,
        );
        const node = newName();
        await createNode(node);
        const anew = await renew(await overdue(node, Date.now() - 3 * HOUR_MS, 1 / 24));
        assert.equal(anew.status, 401);
        assert.match(anew.body.toString(), /older than the node of that name in the cluster/);
        const old = await renew(await overdue(node, Date.now() - 367 * DAY_MS, 1));
        assert.match(old.body.toString(), /more than 365 days ago/);
      },
    );
  });

  test(
    "a node that is locked out loses its session, and gets none, nor a certificate, until it is let in",
    { timeout },
    async () => {
      const [node, other] = [newName(), newName()];
      for (const name of [node, other]) await createNode(name);
      const identity = await joinWith(await shared.token(), node);
      await using edge = await StockEdge.connect(shared.cloud.ports.websocket, identity);
      await using untouched = await StockEdge.connect(
        shared.cloud.ports.websocket,
        await joinWith(await shared.token(), other),
      );
      await kubernetes.kubectl(
        "-n",
        "kubeedge",
        "create",
        "configmap",
        "locked-out-nodes",
        `--from-literal=${node}=stolen`,
      );
      assert.deepEqual(await edge.closed, { code: 4004, reason: "locked out by an administrator" });
      await assert.rejects(StockEdge.connect(shared.cloud.ports.websocket, identity), /403/);
      const { ca, cert, key } = identity;
      const ask = () =>
        httpsGet(shared.cloud.ports.https, "/edge.crt", {
          ca,
          cert,
          key,
          headers: { NodeName: node },
          body: signingRequest(`system:node:${node}`).der,
        });
      const refused = await ask();
      assert.equal(refused.status, 403);
      assert.match(
        refused.body.toString(),
        /is locked out of this cluster \(stolen\): take it out of ConfigMap kubeedge\/locked-out-nodes/,
      );
      await assert.rejects(joinWith(await shared.token(), node), /403.*locked out/);
      assert.equal(untouched.socket.readyState, untouched.socket.OPEN);
      // A replica that starts now knows it from the beginning.
      await using fresh = await startCloud(kubernetes);
      await assert.rejects(StockEdge.connect(fresh.cloud.ports.websocket, identity), /403/);

      await kubernetes.kubectl("-n", "kubeedge", "delete", "configmap", "locked-out-nodes");
      while ((await ask()).status !== 200);
      await using again = await StockEdge.connect(shared.cloud.ports.websocket, identity);
      assert.equal(again.socket.readyState, again.socket.OPEN);
    },
  );

  suite("task reports", () => {
    test(
      "W5, W37: only a node's certificate, and only about itself; and the answer is honest",
      { timeout },
      async () => {
        const node = newName();
        await createNode(node);
        const { ca, cert, key } = await joinWith(await shared.token(), node);
        const post = (path: string, body: object, identity: object = { cert, key }) =>
          httpsGet(shared.cloud.ports.https, path, {
            ca,
            method: "POST",
            body: Buffer.from(JSON.stringify(body)),
            ...identity,
          });
        const task = (name: string) => `/task/upgrade/name/t/node/${name}/status`;
        const Authorization = `Bearer ${(await shared.token()).split(".").slice(1).join(".")}`;
        for (const path of ["/nodeupgrade", task(node)]) {
          assert.equal((await post(path, { NodeName: node }, {})).status, 401);
          assert.equal((await post(path, { NodeName: node }, { headers: { Authorization } })).status, 401);
          assert.equal((await post(path, { NodeName: node })).status, 501);
        }
        assert.equal((await post("/nodeupgrade", { NodeName: "victim" })).status, 403);
        assert.equal((await post("/nodeupgrade", {})).status, 403);
        assert.equal((await post(task("victim"), { NodeName: node })).status, 403);
      },
    );
  });

  suite("it is told in the cluster", () => {
    const eventsOf = async (node: string) => {
      const options = { namespace: "default", fieldSelector: `involvedObject.kind=Node,involvedObject.name=${node}` };
      return (await shared.kube.list(EVENTS, options, shared.signal)).items;
    };
    const untilEvent = async (node: string, matches: (count: number) => boolean = () => true) => {
      for (;;) {
        const [event] = await eventsOf(node);
        if (event !== undefined && matches(event.count ?? 0)) return event;
      }
    };

    test("a refused join is an Event, counted when it comes again", { timeout }, async () => {
      await using fixture = await startCloud(kubernetes);
      const [absent, present] = [newName(), newName()];
      await createNode(present);
      const expired = createJoinToken(await clusterCa(), Date.now() - DAY_MS);
      for (let times = 0; times < 2; times += 1) await assert.rejects(joinWith(expired, absent, fixture), /401/);
      const event = await untilEvent(absent, (times) => times === 2);
      assert.equal(event.reason, "JoinRefused");
      assert.equal(event.type, "Warning");
      assert.match(event.message ?? "", /^the join token expired at .*: take a new one.*\(from 127\.0\.0\.1\)$/);
      await assert.rejects(joinWith(expired, present, fixture), /401/);
      await untilEvent(present);
      assert.match(await kubernetes.kubectl("describe", "node", present), /JoinRefused.*the join token expired at/s);
      assert.match(await kubernetes.kubectl("get", "events"), new RegExp(`JoinRefused +node/${absent}`));
    });

    test("a refused session is an Event of the node whose certificate it is", { timeout }, async () => {
      await using fixture = await startCloud(kubernetes, { nodeLimit: 1 });
      const [first, second] = [newName(), newName()];
      const [one, two] = [
        await joinWith(await fixture.token(), first, fixture),
        await joinWith(await fixture.token(), second, fixture),
      ];
      await using _ = await StockEdge.connect(fixture.cloud.ports.websocket, one);
      await assert.rejects(StockEdge.connect(fixture.cloud.ports.websocket, two), /503/);
      assert.match(
        (await untilEvent(second)).message ?? "",
        /serves 1 nodes already: raise modules.cloudHub.nodeLimit/,
      );
      await assert.rejects(
        StockEdge.connect(fixture.cloud.ports.websocket, one, { node_id: "victim-of-session" }),
        /403/,
      );
      const { reason, message } = await untilEvent(first);
      assert.equal(reason, "SessionRefused");
      assert.match(
        message ?? "",
        /the certificate is for system:node:joiner-\d+, not for system:node:victim-of-session/,
      );
      assert.deepEqual(await eventsOf("victim-of-session"), []);
    });

    test("a stranger cannot flood the cluster with Events, and may still join", { timeout }, async () => {
      await using fixture = await startCloud(kubernetes);
      const prefix = `flood-${(count += 1)}-`;
      const flood = Array.from({ length: 300 }, (_, at) =>
        httpsGet(fixture.cloud.ports.https, "/edge.crt", {
          headers: { NodeName: `${prefix}${at}`, Authorization: "Bearer a.b.c" },
        }),
      );
      for (const { status } of await Promise.all(flood)) assert.ok(status === 401 || status === 429);
      await joinWith(await fixture.token(), newName(), fixture);
      const all = await shared.kube.list(EVENTS, { namespace: "default" }, shared.signal);
      const flooded = all.items.filter(({ involvedObject }) => involvedObject.name?.startsWith(prefix));
      assert.ok(flooded.length <= 5, `${flooded.length} events`);
    });
  });

  suite("the server's certificate", () => {
    const presented = (port: number, ca: string, servername: string) =>
      new Promise<X509Certificate>((resolve, reject) => {
        const socket = connectTls({ host: "127.0.0.1", port, ca, servername }, () => {
          const { raw } = socket.getPeerCertificate();
          socket.destroy();
          resolve(new X509Certificate(raw));
        });
        socket.on("error", reject);
      });

    test(
      "another address in the configuration: a new certificate, the same CA, old edges go on",
      { timeout },
      async () => {
        const [node, another] = [newName(), newName()];
        for (const name of [node, another]) await createNode(name);
        const identity = await joinWith(await shared.token(), node);
        const joinedBefore = await joinWith(await shared.token(), another);
        await using edge = await StockEdge.connect(shared.cloud.ports.websocket, identity);
        const before = await presented(shared.cloud.ports.https, identity.ca, "localhost");
        await assert.rejects(presented(shared.cloud.ports.https, identity.ca, "cloud.example"), {
          code: "ERR_TLS_CERT_ALTNAME_INVALID",
        });

        await using changed = await startCloud(kubernetes, {
          dnsNames: ["cloud.example"],
          advertiseAddress: ["192.0.2.7", "127.0.0.1"],
        });
        const renewed = await presented(changed.cloud.ports.https, identity.ca, "cloud.example");
        assert.notEqual(renewed.fingerprint256, before.fingerprint256);
        assert.match(renewed.subjectAltName ?? "", /192\.0\.2\.7/);
        await using again = await StockEdge.connect(changed.cloud.ports.websocket, joinedBefore);
        await again.wait(of(`null/node/${another}`));

        // The replica that was there before takes it over without a restart, on both ports, and keeps its sessions.
        for (const port of [shared.cloud.ports.https, shared.cloud.ports.websocket])
          while ((await presented(port, identity.ca, "localhost")).fingerprint256 !== renewed.fingerprint256);
        assert.equal(edge.socket.readyState, edge.socket.OPEN);
        await StockEdge.connect(shared.cloud.ports.websocket, identity).then((next) => next[Symbol.asyncDispose]());
      },
    );

    test("deleting its Secret makes a new one while all goes on", { timeout }, async () => {
      await using fixture = await startCloud(kubernetes);
      const node = newName();
      await createNode(node);
      const identity = await joinWith(await fixture.token(), node, fixture);
      await using edge = await StockEdge.connect(fixture.cloud.ports.websocket, identity);
      const { ca } = identity;
      const before = await presented(fixture.cloud.ports.https, ca, "localhost");
      await shared.kube.delete(SECRETS, secretKey("cloudcoresecret"), shared.signal);
      while ((await presented(fixture.cloud.ports.https, ca, "localhost")).fingerprint256 === before.fingerprint256);
      assert.equal(edge.socket.readyState, edge.socket.OPEN);
    });
  });

  test("two hundred that join at once all get in", { timeout }, async () => {
    const token = await shared.token();
    const joined = await Promise.all(Array.from({ length: 200 }, () => joinWith(token, newName())));
    assert.equal(new Set(joined.map(({ cert }) => cert)).size, 200);
  });

  test("the shared token can be switched off; tokens of our own still let nodes in", { timeout }, async () => {
    const stock = await shared.token();
    const { token } = await newToken();
    await using fixture = await startCloud(kubernetes, { sharedToken: false });
    await assert.rejects(fixture.token(), { code: "NotFound" });
    await assert.rejects(
      joinWith(stock, newName(), fixture),
      /401: this cluster does not take the token that all nodes share/,
    );
    await joinWith(token, newName(), fixture);
  });
});
