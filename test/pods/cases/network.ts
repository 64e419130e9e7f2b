import { networkInterfaces } from "node:os";
import { readFile } from "node:fs/promises";
import type { PodTheme } from "../pod-case.ts";
import { container, lasting, once, podOf, SERVE } from "../pods.ts";
import { becomes, isReady, prints, shows, succeeds } from "../steps.ts";

const RESOLV = "cat /etc/resolv.conf";
const OWN_DNS = {
  nameservers: ["192.0.2.53"],
  searches: ["example.com"],
  options: [{ name: "ndots", value: "2" }, { name: "edns0" }],
};

/** Not loopback's: what leads from there to pods is up to the network plugin. */
function machineAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1";
}

export const NETWORK: PodTheme = {
  name: "network",
  cases: [
    {
      name: "a pod has an address, and its containers hear each other on localhost",
      core: true,
      pod: podOf([
        { script: `mkdir /www; echo hello > /www/a; httpd -p 8080 -h /www; ${SERVE}` },
        { name: "other", script: SERVE },
      ]),
      steps: [
        becomes({ phase: "Running", hasAddress: true, hostNetworked: false }),
        shows("wget -q -O - http://127.0.0.1:8080/a", "hello", "other"),
      ],
    },
    {
      name: "the node reaches the pod by its address",
      pod: lasting({ script: "mkdir /www; echo hello > /www/a; httpd -p 8080 -h /www" }),
      steps: [
        isReady(),
        (run) =>
          run.eventually(async () => {
            const answer = await fetch(`http://${run.recorded.object?.status?.podIP}:8080/a`).catch(String);
            if (typeof answer === "string") return answer;
            const text = await answer.text();
            return text === "hello\n" ? undefined : text;
          }),
      ],
    },
    {
      name: "a port of the node leads to the pod",
      pod: podOf([
        {
          script: `mkdir /www; echo hello > /www/a; httpd -p 8080 -h /www; ${SERVE}`,
          ports: [{ containerPort: 8080, hostPort: 39_482 }],
        },
      ]),
      steps: [
        isReady(),
        (run) =>
          run.eventually(async () => {
            const answer = await fetch(`http://${machineAddress()}:39482/a`).catch(String);
            if (typeof answer === "string") return answer;
            return (await answer.text()) === "hello\n" ? undefined : "another answer";
          }),
      ],
    },
    {
      name: "the pod's address is the one that its containers have",
      pod: lasting(),
      steps: [
        isReady(),
        async (run) => {
          const { stdout } = await run.exec("main", ["ip", "-4", "addr", "show", "eth0"]);
          const address = run.recorded.object?.status?.podIP ?? "none";
          if (!stdout.includes(`inet ${address}/`)) throw new Error(`${address} is not in ${stdout}`);
        },
      ],
    },
    {
      name: "hostNetwork: the node's network and address",
      core: true,
      pod: podOf([{ script: SERVE }], { hostNetwork: true }),
      steps: [
        becomes({ phase: "Running", hostNetworked: true }),
        async (run) => {
          const { readlink } = await import("node:fs/promises");
          const { stdout } = await run.exec("main", ["readlink", "/proc/self/ns/net"]);
          if (stdout.trim() !== (await readlink("/proc/self/ns/net"))) throw new Error(`it is in ${stdout}`);
        },
      ],
    },
    {
      name: "the hostname is the pod's name",
      pod: once({ script: "hostname; cat /etc/hostname" }),
      steps: [succeeds(), prints("pod\npod\n")],
    },
    {
      name: "the hostname asked for",
      pod: once({ script: "hostname; grep -w mine /etc/hosts | awk '{print $2, $3}'" }, { hostname: "mine" }),
      steps: [succeeds(), prints("mine\nmine \n")],
    },
    {
      name: "hostname and subdomain make a full name in /etc/hosts",
      pod: once(
        { script: "hostname; hostname -f; grep mine /etc/hosts | awk '{print $2, $3}'" },
        { hostname: "mine", subdomain: "club" },
      ),
      steps: [
        succeeds(),
        prints(/^mine\nmine\.club\.(pods-\d+)\.svc\.cluster\.local\nmine\.club\.\1\.svc\.cluster\.local mine\n$/),
      ],
    },
    {
      name: "setHostnameAsFQDN makes the full name the hostname",
      pod: once({ script: "hostname" }, { hostname: "mine", subdomain: "club", setHostnameAsFQDN: true }),
      steps: [succeeds(), prints(/^mine\.club\.pods-\d+\.svc\.cluster\.local\n$/)],
    },
    {
      name: "a name that is too long for a hostname is cut",
      pod: { metadata: { name: `${"a".repeat(70)}` }, ...once({ script: "hostname" }) },
      steps: [succeeds(), prints(`${"a".repeat(63)}\n`)],
    },
    {
      name: "/etc/hosts is the node agent's work",
      pod: once({
        script: "head -n1 /etc/hosts; grep -c localhost /etc/hosts; tail -n1 /etc/hosts | awk '{print $2}'",
      }),
      steps: [succeeds(), prints("# Kubernetes-managed hosts file.\n2\npod\n")],
    },
    {
      name: "hostAliases are in /etc/hosts",
      pod: once(
        { script: "grep -A1 '^# Entries' /etc/hosts" },
        { hostAliases: [{ ip: "192.0.2.7", hostnames: ["printer", "printer.local"] }] },
      ),
      steps: [succeeds(), prints("# Entries added by HostAliases.\n192.0.2.7\tprinter\tprinter.local\n")],
    },
    {
      name: "hostNetwork: the node's names, and aliases",
      pod: once(
        { script: "head -n1 /etc/hosts; grep -c printer /etc/hosts" },
        { hostNetwork: true, hostAliases: [{ ip: "192.0.2.7", hostnames: ["printer"] }] },
      ),
      steps: [succeeds(), prints("# Kubernetes-managed hosts file (host network).\n1\n")],
    },
    {
      name: "/etc/hosts survives the container",
      pod: lasting(),
      steps: [
        isReady(),
        shows("echo 192.0.2.9 mine >> /etc/hosts; tail -n1 /etc/hosts", "192.0.2.9 mine"),
        async (run) => run.killContainer("main", "SIGKILL"),
        becomes({ containers: { main: { restarts: 1, state: "running" } } }),
        shows("grep -c '\tpod$' /etc/hosts", "1"),
      ],
    },
  ],
};

export const DNS: PodTheme = {
  name: "DNS",
  cases: [
    {
      name: "ClusterFirst: the cluster's server and domains",
      core: true,
      pod: once({ script: RESOLV }),
      steps: [
        succeeds(),
        prints(/^nameserver 10\.0\.0\.10$/m),
        prints(/^search (pods-\d+)\.svc\.cluster\.local svc\.cluster\.local cluster\.local/m),
        prints(/^options ndots:5$/m),
      ],
    },
    {
      name: "Default: the node's",
      pod: once({ script: "grep -v '^#' /etc/resolv.conf | grep nameserver" }, { dnsPolicy: "Default" }),
      steps: [
        succeeds(),
        async (run) => {
          const lines = (await readFile("/etc/resolv.conf", "utf8"))
            .split("\n")
            .filter((line) => line.startsWith("nameserver"));
          await prints(`${lines.join("\n")}\n`)(run);
        },
      ],
    },
    {
      name: "None: what the pod says",
      pod: once({ script: RESOLV }, { dnsPolicy: "None", dnsConfig: OWN_DNS }),
      steps: [succeeds(), prints("search example.com\nnameserver 192.0.2.53\noptions ndots:2 edns0\n")],
    },
    {
      name: "what the pod says comes on top of the policy",
      pod: once({ script: RESOLV }, { dnsConfig: OWN_DNS }),
      steps: [
        succeeds(),
        prints(/^nameserver 10\.0\.0\.10\nnameserver 192\.0\.2\.53$/m),
        prints(/^search \S+ svc\.cluster\.local cluster\.local .*example\.com$/m),
        prints(/^options .*ndots:2/m),
        prints(/edns0/),
      ],
    },
    {
      name: "ClusterFirst with hostNetwork is the node's",
      pod: once({ script: "grep -c 10.0.0.10 /etc/resolv.conf" }, { hostNetwork: true }),
      steps: [becomes({ phase: "Failed" }), prints("0\n")],
    },
    {
      name: "ClusterFirstWithHostNet is the cluster's",
      pod: once({ script: RESOLV }, { hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" }),
      steps: [succeeds(), prints(/^nameserver 10\.0\.0\.10$/m), prints(/^options ndots:5$/m)],
    },
    {
      name: "all containers of a pod, init containers too, have the same",
      pod: podOf(
        [{ script: "md5sum < /etc/resolv.conf; cat /v/first", volumeMounts: [{ name: "v", mountPath: "/v" }] }],
        {
          restartPolicy: "Never",
          volumes: [{ name: "v", emptyDir: {} }],
          initContainers: [
            container({
              name: "first",
              script: "md5sum < /etc/resolv.conf > /v/first",
              volumeMounts: [{ name: "v", mountPath: "/v" }],
            }),
          ],
        },
      ),
      steps: [succeeds(), prints(/^(\S+)  -\n\1  -\n$/)],
    },
  ],
};
