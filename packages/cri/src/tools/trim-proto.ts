/**
 * Writes the CRI's api.proto without comments and with only the calls that Kedge makes and the messages they reach:
 * every message costs the agent memory. Usage: node trim-proto.ts <k8s.io/cri-api .../api.proto> <output>
 */
import { readFileSync, writeFileSync } from "node:fs";

const CALLS = new Set(
  [
    "Version Status RuntimeConfig UpdateRuntimeConfig",
    "RunPodSandbox StopPodSandbox RemovePodSandbox PodSandboxStatus ListPodSandbox",
    "CreateContainer StartContainer StopContainer RemoveContainer ListContainers ContainerStatus",
    "UpdateContainerResources ReopenContainerLog ExecSync Exec Attach PortForward",
    "ListContainerStats GetContainerEvents",
    "ListImages ImageStatus PullImage RemoveImage ImageFsInfo",
  ].flatMap((line) => line.split(" ")),
);
/** Windows has no edge agent. */
const FIELDS_DROPPED = /^(repeated\s+)?Windows\w+\s+\w+\s*=/;

const [input, output] = process.argv.slice(2);
if (input === undefined || output === undefined) throw new Error("usage: trim-proto.ts <api.proto> <output>");
const text = readFileSync(input, "utf8")
  .replaceAll(/\/\*[\s\S]*?\*\//g, "")
  .replaceAll(/\/\/.*$/gm, "");

interface Block {
  readonly kind: string;
  readonly name: string;
  readonly lines: string[];
}

/** Top-level blocks; nested braces (maps of options, oneofs, nested enums) stay inside. */
function blocksOf(source: string): Block[] {
  const blocks: Block[] = [];
  const head = /^(message|enum|service)\s+(\w+)\s*\{/gm;
  for (const match of source.matchAll(head)) {
    let depth = 0;
    let end = match.index;
    for (let at = match.index + match[0].length - 1; at < source.length; at += 1) {
      if (source[at] === "{") depth += 1;
      if (source[at] === "}") depth -= 1;
      if (depth === 0) {
        end = at + 1;
        break;
      }
    }
    const lines = source
      .slice(match.index, end)
      .split("\n")
      .map((line) => line.trimEnd())
      .filter((line) => line.trim() !== "")
      .filter((line) => !FIELDS_DROPPED.test(line.trim()));
    blocks.push({ kind: match[1] ?? "", name: match[2] ?? "", lines });
  }
  return blocks;
}

const blocks = blocksOf(text);
const byName = new Map(blocks.filter(({ kind }) => kind !== "service").map((block) => [block.name, block]));
const services = blocks
  .filter(({ kind }) => kind === "service")
  .map((service) => ({
    ...service,
    lines: service.lines.filter((line) => {
      const call = /rpc\s+(\w+)/.exec(line);
      return call === null || CALLS.has(call[1] ?? "");
    }),
  }));

const reached = new Set<string>();
const queue = services.flatMap(({ lines }) => lines.join(" ").match(/\w+/g) ?? []);
for (let word = queue.pop(); word !== undefined; word = queue.pop()) {
  const block = byName.get(word);
  if (block === undefined || reached.has(word)) continue;
  reached.add(word);
  queue.push(...(block.lines.join(" ").match(/\w+/g) ?? []));
}

const kept = [...services, ...blocks.filter(({ kind, name }) => kind !== "service" && reached.has(name))];
const header = 'syntax = "proto3";\n\npackage runtime.v1;\n';
writeFileSync(output, `${[header.trimEnd(), ...kept.map(({ lines }) => lines.join("\n"))].join("\n\n")}\n`);
