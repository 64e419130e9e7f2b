/**
 * Makes each program one file in `dist/`: without the type stripper and with nothing but what it uses, a program takes
 * a third less memory. `./kedge` runs this when sources are newer than `dist/`; bundles stay beside the repository's other
 * files, which they read from where KEDGE_ROOT points.
 */
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { build, type Plugin } from "rolldown";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");

const PROGRAMS: Readonly<Record<string, string>> = {
  edgecore: "packages/edge/src/edgecore-main.ts",
  "edgecore-doctor": "packages/edge/src/doctor/edgecore-doctor-main.ts",
  cloudcore: "packages/cloud/src/cloudcore-main.ts",
  "cloudcore-doctor": "packages/cloud/src/doctor/cloudcore-doctor-main.ts",
  keadm: "packages/keadm/src/main.ts",
  kedge: "packages/standalone/src/main.ts",
  sensor: "packages/standalone/src/sample/sensor-main.ts",
};

/** A module finds its neighbours by its own place; in a bundle that place is still the source's. */
const sourcePlaces: Plugin = {
  name: "source-places",
  transform(code, id) {
    const path = relative(root, id);
    if (!path.startsWith("packages/") || !code.includes("import.meta.")) return undefined;
    const at = (file: string) => `(process.env["KEDGE_ROOT"] + ${JSON.stringify(`/${file}`)})`;
    return code
      .replaceAll("import.meta.dirname", at(path.slice(0, path.lastIndexOf("/"))))
      .replaceAll("import.meta.url", `("file://" + ${at(path)})`);
  },
};

/**
 * What libraries bring along for browsers, proxies and tests; a program that never runs it still pays for it: with its
 * source, 0.3 MB of the agent's memory and 0.7 MB of cloudcore's, and with what it builds up when it is loaded.
 */
const LEAN: Readonly<Record<string, string>> = {
  debug: "module.exports = () => Object.assign(() => undefined, { enabled: false, extend: () => module.exports() });",
  socks: 'exports.SocksClient = class { constructor() { throw new Error("SOCKS proxies are not supported"); } };',
  "worker-timers": "exports.setInterval = setInterval; exports.clearInterval = clearInterval;",
  undici: `
    Object.assign(require("undici/lib/dispatcher/dispatcher.js").prototype, require("undici/lib/api/index.js"));
    exports.Pool = require("undici/lib/dispatcher/pool.js");`,
};
const ON_NODE: Readonly<Record<string, string>> = { "readable-stream": "node:stream" };

const leaveOut: Plugin = {
  name: "leave-out",
  resolveId(source) {
    const builtIn = ON_NODE[source];
    if (builtIn !== undefined) return { id: builtIn, external: true };
    return LEAN[source] === undefined ? undefined : join(root, `${source}.lean.cjs`);
  },
  load(id) {
    const code = LEAN[relative(root, id).replace(/\.lean\.cjs$/, "")];
    return code === undefined ? undefined : { code, moduleType: "js" };
  },
};

/** V8 keeps a source with one character beyond Latin-1 in two bytes a character: 1 MB more for as long as it runs. */
const ascii: Plugin = {
  name: "ascii",
  generateBundle(_options, bundle) {
    for (const output of Object.values(bundle)) {
      if (output.type !== "chunk") continue;
      // Comments are gone, and in all other places JavaScript takes the escape for the character.
      output.code = output.code.replaceAll(
        /[^\n -~\t\r]/g,
        (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
      );
    }
  },
};

/** `import whole,{part as name}from"node:…";`, as the minifier writes it: one after another, before all else. */
const IMPORT = /import(?: ([\w$]+),?)?(?:\{([^}]*)\})? ?from"([^"]+)";/gy;

/**
 * To import one thing from a module of Node makes Node look at all that the module has, and load what only waits there to
 * be used: behind `node:http`, an HTTP client for 2.7 MB. Asked for by its name, each thing comes alone.
 */
const takeBuiltIns: Plugin = {
  name: "take-built-ins",
  generateBundle(_options, bundle) {
    for (const output of Object.values(bundle)) {
      if (output.type !== "chunk") continue;
      output.code = output.code.replaceAll(IMPORT, (_all, whole?: string, names?: string, id?: string) => {
        const parts = names === undefined ? undefined : `{${names.replaceAll(" as ", ":")}}`;
        return [whole, parts]
          .filter((target) => target !== undefined)
          .map((target) => `const ${target}=process.getBuiltinModule("${id}");`)
          .join("");
      });
      if (/(?:^|;)import\b *["{*\w$]/.test(output.code)) throw new Error(`${output.fileName} still imports something`);
    }
  },
};

/** @returns the folder that holds the programs: `edgecore/main.mjs`, … */
export async function bundlePrograms(): Promise<string> {
  const unfinished = `${dist}.${process.pid}`;
  try {
    for (const [name, input] of Object.entries(PROGRAMS))
      await build({
        input: { main: join(root, input) },
        platform: "node",
        plugins: [sourcePlaces, leaveOut, ascii, takeBuiltIns],
        output: {
          dir: join(unfinished, name),
          format: "esm",
          entryFileNames: "[name].mjs",
          // One file: a program that runs while it is bundled anew must not look for a part that is gone.
          codeSplitting: false,
          minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
        },
        logLevel: "warn",
      });
    await writeFile(join(unfinished, "stamp"), "");
    await mkdir(dist, { recursive: true });
    const old = `${dist}.old.${process.pid}`;
    await rename(dist, old); // running programs keep their open files
    await rename(unfinished, dist);
    await rm(old, { recursive: true, force: true });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return dist;
}

if (import.meta.main) await bundlePrograms();
