import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Protocol } from "@kedge/cri";
import type { Pod } from "@kedge/kube";
import { etcHostsText, wantsEtcHosts, writeEtcHosts } from "./etc-hosts.ts";
import { podDnsConfig } from "./pod-dns-config.ts";
import { podHostname } from "./pod-hostname.ts";
import { portMappings } from "./port-mappings.ts";
import { parseResolvConf } from "./resolv-conf.ts";

type Spec = Partial<NonNullable<Pod["spec"]>>;

function podWith(spec: Spec = {}, name: string = "web"): Pod {
  return { metadata: { name, namespace: "shop", uid: "u-1" }, spec: { containers: [], ...spec } };
}

test("reads a resolv.conf as resolvers do", () => {
  const text = `# comment
; another
nameserver 10.0.0.2
  nameserver   fd00::2   # trailing
search old.example
search corp.example. . lab.example
options ndots:2 rotate
options ndots:3
nameserver`;
  assert.deepEqual(parseResolvConf(text), {
    servers: ["10.0.0.2", "fd00::2"],
    searches: ["corp.example", "lab.example"],
    options: ["ndots:3", "rotate"],
  });
});

const host = { servers: ["10.0.0.2"], searches: ["corp.example"], options: ["rotate"] };
const cluster = { host, clusterDns: ["169.254.96.16"], clusterDomain: "cluster.local" };
const clusterConfig = {
  servers: ["169.254.96.16"],
  searches: ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example"],
  options: ["ndots:5"],
};

const policies: { name: string; spec: Spec; settings?: typeof cluster; config: object; reason?: string }[] = [
  { name: "Default: the host's", spec: { dnsPolicy: "Default" }, config: host },
  { name: "ClusterFirst", spec: { dnsPolicy: "ClusterFirst" }, config: clusterConfig },
  { name: "no policy is ClusterFirst", spec: {}, config: clusterConfig },
  { name: "ClusterFirst on the host's network: the host's", spec: { hostNetwork: true }, config: host },
  {
    name: "ClusterFirstWithHostNet",
    spec: { dnsPolicy: "ClusterFirstWithHostNet", hostNetwork: true },
    config: clusterConfig,
  },
  {
    name: "ClusterFirst without a cluster DNS: the host's, with a warning",
    spec: { dnsPolicy: "ClusterFirst" },
    settings: { ...cluster, clusterDns: [] },
    config: host,
    reason: "MissingClusterDNS",
  },
  {
    name: "None: the pod's own alone",
    spec: { dnsPolicy: "None", dnsConfig: { nameservers: ["1.1.1.1"], searches: ["x"], options: [{ name: "edns0" }] } },
    config: { servers: ["1.1.1.1"], searches: ["x"], options: ["edns0"] },
  },
  {
    name: "dnsConfig adds to what the policy gives and replaces options",
    spec: {
      dnsConfig: {
        nameservers: ["169.254.96.16", "9.9.9.9"],
        searches: ["cluster.local", "x"],
        options: [{ name: "ndots", value: "2" }],
      },
    },
    config: {
      servers: ["169.254.96.16", "9.9.9.9"],
      searches: [...clusterConfig.searches, "x"],
      options: ["ndots:2"],
    },
  },
  {
    name: "at most three servers",
    spec: { dnsPolicy: "None", dnsConfig: { nameservers: ["1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"] } },
    config: { servers: ["1.1.1.1", "2.2.2.2", "3.3.3.3"], searches: [], options: [] },
    reason: "DNSConfigForming",
  },
];
for (const { name, spec, settings = cluster, config, reason } of policies)
  test(`DNS ${name}`, () => {
    const dns = podDnsConfig(podWith(spec), settings);
    assert.deepEqual(dns.config, config);
    assert.deepEqual(
      dns.warnings.map((warning) => warning.reason),
      reason === undefined ? [] : [reason],
    );
  });

test("a missing cluster DNS is told as a kubelet tells it", () => {
  const [warning] = podDnsConfig(podWith({ dnsPolicy: "ClusterFirst" }), { ...cluster, clusterDns: [] }).warnings;
  assert.match(warning?.message ?? "", /^pod: "web_\S+\(\S*\)"\. kubelet does not have ClusterDNS IP configured and/);
});

test("DNS search lists are cut to what resolvers can take", () => {
  const searches = Array.from({ length: 40 }, (_, index) => `${"x".repeat(100)}${index}`);
  const dns = podDnsConfig(podWith({ dnsPolicy: "None", dnsConfig: { nameservers: [], searches } }), cluster);
  assert.ok(dns.config.searches.join(" ").length <= 2048 && dns.config.searches.length >= 19);
  assert.equal(dns.warnings[0]?.reason, "DNSConfigForming");
});

const hostnames: { name: string; pod: Pod; expected: object }[] = [
  { name: "the pod's name", pod: podWith(), expected: { hostname: "web", domain: "", kernelHostname: "web" } },
  {
    name: "cut at 63 characters, not ending in a dash",
    pod: podWith({}, `${"a".repeat(62)}-tail`),
    expected: { hostname: "a".repeat(62), domain: "", kernelHostname: "a".repeat(62) },
  },
  {
    name: "its own, with a subdomain",
    pod: podWith({ hostname: "db", subdomain: "peers" }),
    expected: { hostname: "db", domain: "peers.shop.svc.cluster.local", kernelHostname: "db" },
  },
  {
    name: "as FQDN",
    pod: podWith({ hostname: "db", subdomain: "peers", setHostnameAsFQDN: true }),
    expected: {
      hostname: "db",
      domain: "peers.shop.svc.cluster.local",
      kernelHostname: "db.peers.shop.svc.cluster.local",
    },
  },
];
for (const { name, pod, expected } of hostnames)
  test(`hostname: ${name}`, () => assert.deepEqual(podHostname(pod, "cluster.local"), expected));

for (const spec of [
  { hostname: "Not_a_label" },
  { subdomain: "a.b" },
  { hostname: "h".repeat(40), subdomain: "s", setHostnameAsFQDN: true },
])
  test(`hostname: refuses ${JSON.stringify(spec).slice(0, 40)}`, () =>
    assert.throws(() => podHostname(podWith(spec), "cluster.local"), { code: "InvalidHostname" }));

test("the hosts file of a pod on its own network", () => {
  const pod = podWith({ hostname: "db", subdomain: "peers", hostAliases: [{ ip: "1.2.3.4", hostnames: ["a", "b"] }] });
  assert.equal(
    etcHostsText(pod, ["10.22.0.3", "fd00::3"], podHostname(pod, "cluster.local"), ""),
    `# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
10.22.0.3\tdb.peers.shop.svc.cluster.local\tdb
fd00::3\tdb.peers.shop.svc.cluster.local\tdb

# Entries added by HostAliases.
1.2.3.4\ta\tb
`,
  );
});

test("the hosts file of a pod on the host's network is the host's, and keeps its inode when written anew", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kedge-hosts-"));
  try {
    const hostFile = join(directory, "host");
    const path = join(directory, "etc-hosts");
    writeFileSync(hostFile, "127.0.0.1 localhost\n");
    const pod = podWith({ hostNetwork: true });
    const write = () => writeEtcHosts(path, pod, [], podHostname(pod, "cluster.local"), hostFile);
    await write();
    const { ino, mode } = statSync(path);
    assert.equal(mode & 0o777, 0o644);
    await write();
    assert.equal(statSync(path).ino, ino);
    assert.equal(readFileSync(path, "utf8"), "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n");
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("there is no hosts file before the pod has an address", () => {
  assert.equal(wantsEtcHosts(podWith(), []), false);
  assert.equal(wantsEtcHosts(podWith(), ["10.22.0.3"]), true);
  assert.equal(wantsEtcHosts(podWith({ hostNetwork: true }), []), true);
});

test("host ports become port mappings, each once", () => {
  const ports = [
    { name: "http", containerPort: 80, hostPort: 8080, hostIP: "127.0.0.1" },
    { name: "http", containerPort: 81, hostPort: 8081 },
    { containerPort: 53, hostPort: 53, protocol: "UDP" as const },
    { containerPort: 53, hostPort: 53, protocol: "UDP" as const },
    { containerPort: 9000 },
  ];
  const pod = podWith({ containers: [{ name: "c", ports }] });
  assert.deepEqual(portMappings(pod), [
    { protocol: Protocol.TCP, containerPort: 80, hostPort: 8080, hostIp: "127.0.0.1" },
    { protocol: Protocol.UDP, containerPort: 53, hostPort: 53, hostIp: "" },
    { protocol: Protocol.TCP, containerPort: 9000, hostPort: 0, hostIp: "" },
  ]);
  assert.deepEqual(portMappings({ ...pod, spec: { containers: [{ name: "c", ports }], hostNetwork: true } }), []);
});
