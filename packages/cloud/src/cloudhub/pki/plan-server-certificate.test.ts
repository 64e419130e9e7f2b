import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CertificateAuthority, type ServerNames } from "./certificate-authority.ts";
import { nextServerNames, SERVER_NAMES_MAX, whyReissue } from "./plan-server-certificate.ts";

const DAY_MS = 86_400_000;
const now = Date.parse("2026-11-20T10:00:00Z");
const ca = CertificateAuthority.create(now);
const names: ServerNames = { dnsNames: ["cloud.example"], ipAddresses: ["192.0.2.1", "fd00::1"] };
const pair = ca.issueServer(names, now);
const caEnd = now + 36_400 * DAY_MS;

suite("the server's certificate", () => {
  test("stays while it names all that is configured, however that is written", () => {
    assert.equal(whyReissue(pair, ca, names, now), undefined);
    assert.equal(whyReissue(pair, ca, { dnsNames: [], ipAddresses: ["FD00:0:0::0:1"] }, now), undefined);
  });

  test("is made anew for a name or an address that it lacks", () => {
    assert.match(
      whyReissue(pair, ca, { ...names, dnsNames: ["new.example"] }, now) ?? "",
      /does not name new\.example/,
    );
    assert.match(
      whyReissue(pair, ca, { ...names, ipAddresses: ["192.0.2.9"] }, now) ?? "",
      /does not name 192\.0\.2\.9/,
    );
  });

  test("is made anew before it ends, unless the CA ends then, too", () => {
    const early = { ...pair };
    assert.equal(whyReissue(early, ca, names, caEnd - 10 * DAY_MS), undefined);
    const short = new CertificateAuthority(ca.pair, "the CA");
    // What another program issued for a year, from the same CA.
    const year = short.issueServer(names, now - 36_035 * DAY_MS);
    assert.equal(whyReissue(year, ca, names, now + 300 * DAY_MS), undefined);
    assert.match(whyReissue(year, ca, names, now + 340 * DAY_MS) ?? "", /valid until \d{4}-.*Z only/);
  });

  test("is made anew if another CA signed it, or it is damaged", () => {
    const other = CertificateAuthority.create(now);
    assert.match(whyReissue(other.issueServer(names, now), ca, names, now) ?? "", /another CA/);
    assert.ok(whyReissue({ ...pair, certificate: Buffer.from("x") }, ca, names, now) !== undefined);
    assert.ok(whyReissue({ ...pair, key: ca.pair.key }, ca, names, now) !== undefined);
  });

  test("replicas that are configured otherwise come to one that names them all", () => {
    const here: ServerNames = { dnsNames: ["a.example"], ipAddresses: ["192.0.2.1"] };
    const there: ServerNames = { dnsNames: ["b.example"], ipAddresses: ["192.0.2.2"] };
    const first = ca.issueServer(here, now);
    const second = ca.issueServer(nextServerNames(first, there), now);
    assert.equal(whyReissue(second, ca, here, now), undefined);
    assert.equal(whyReissue(second, ca, there, now), undefined);
  });

  test("a certificate of KubeEdge, with its empty name, can be followed", () => {
    const stock = ca.issueServer({ dnsNames: [""], ipAddresses: ["192.0.2.1"] }, now);
    assert.equal(whyReissue(stock, ca, { dnsNames: [], ipAddresses: ["192.0.2.1"] }, now), undefined);
    assert.deepEqual(nextServerNames(stock, { dnsNames: ["x.example"], ipAddresses: [] }), {
      dnsNames: ["x.example"],
      ipAddresses: ["192.0.2.1"],
    });
  });

  test("names do not pile up for ever", () => {
    const many = Array.from({ length: SERVER_NAMES_MAX }, (_, at) => `n${at}.example`);
    const full = ca.issueServer({ dnsNames: many, ipAddresses: [] }, now);
    assert.deepEqual(nextServerNames(full, names), names);
  });
});
