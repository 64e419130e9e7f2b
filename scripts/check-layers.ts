/**
 * Fails the build on an import that points up, sideways, in a circle, or past a package's front door.
 * The rule and its reasons: docs/ARCHITECTURE.md, "Packages".
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

const LAYERS: Readonly<Record<string, number>> = {
  runtime: 0,
  sqlite: 0,
  kube: 1,
  api: 1,
  protocol: 2,
  "kube-client": 3,
  transport: 3,
  cri: 3,
  cloud: 4,
  edge: 4,
  apiserver: 4,
  mapper: 4,
  standalone: 5,
  keadm: 5,
  dashboard: 5,
  testing: 6, // for tests alone
};
/** Neighbours in a layer are strangers, but for these. */
const SIDEWAYS: ReadonlySet<string> = new Set(["api>kube", "sqlite>runtime"]);
/** What a package may see when that is less than all below it. */
const ONLY: Readonly<Record<string, number>> = { dashboard: 1 };

const IMPORT = /(?:^|[\s;])(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"|import\(\s*"([^"]+)"\s*\)/g;

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
  readonly line: number;
}

function importsOf(source: string): Import[] {
  return [...source.matchAll(IMPORT)].map((match) => ({
    specifier: match[2] ?? match[3] ?? "",
    typeOnly: match[1] !== undefined,
    line: source.slice(0, match.index + 1).split("\n").length,
  }));
}

function sourcesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !file.includes("/node_modules/"));
}

function isTest(file: string): boolean {
  return /\.(test|itest|bench)\.ts$/.test(file) || /\/test\//.test(file);
}

/** @returns a sentence, or undefined if `from` may import `to`. */
function packageViolation(from: string, to: string, test: boolean): string | undefined {
  const [fromLayer, toLayer] = [LAYERS[from], LAYERS[to]];
  if (toLayer === undefined) return `@kedge/${to} has no layer: give it one in scripts/check-layers.ts`;
  if (fromLayer === undefined) return `${from} has no layer: give it one in scripts/check-layers.ts`;
  if (from === to) return test ? undefined : `a package imports its own files by relative path`;
  if (to === "testing") return test ? undefined : `@kedge/testing is for tests alone`;
  if (fromLayer > toLayer) {
    const most = ONLY[from];
    return most !== undefined && toLayer > most ? `${from} sees layer ${most} and below alone` : undefined;
  }
  if (SIDEWAYS.has(`${from}>${to}`)) return undefined;
  return fromLayer === toLayer
    ? `${from} and ${to} are neighbours in layer ${fromLayer}: they meet further down`
    : `${from} (layer ${fromLayer}) imports upwards from ${to} (layer ${toLayer})`;
}

function checkPackage(packages: string, name: string, problems: string[]): void {
  const home = join(packages, name);
  const graph = new Map<string, string[]>();
  for (const file of sourcesBelow(home)) {
    const where = (line: number) => `${relative(dirname(packages), file)}:${line}`;
    const next: string[] = [];
    for (const { specifier, typeOnly, line } of importsOf(readFileSync(file, "utf8"))) {
      if (specifier.startsWith("@kedge/")) {
        const [, target = "", ...deep] = specifier.split("/");
        if (deep.length > 0) problems.push(`${where(line)}: ${specifier} reaches past the index of @kedge/${target}`);
        const violation = packageViolation(name, target, isTest(file));
        if (violation !== undefined) problems.push(`${where(line)}: ${violation}`);
      } else if (specifier.startsWith(".")) {
        const target = resolve(dirname(file), specifier);
        if (!target.startsWith(`${home}/`)) problems.push(`${where(line)}: ${specifier} leaves the package`);
        else if (!typeOnly) next.push(target);
      }
    }
    graph.set(file, next);
  }
  for (const circle of circlesIn(graph))
    problems.push(`circular import: ${circle.map((file) => relative(home, file)).join(" → ")}`);
}

function circlesIn(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const circles: string[][] = [];
  const done = new Set<string>();
  const visit = (file: string, path: string[]): void => {
    const at = path.indexOf(file);
    if (at !== -1) circles.push([...path.slice(at), file]);
    if (at !== -1 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return circles;
}

const packages = resolve(import.meta.dirname, "../packages");
const problems: string[] = [];
for (const entry of readdirSync(packages, { withFileTypes: true }))
  if (entry.isDirectory()) checkPackage(packages, entry.name, problems);
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
