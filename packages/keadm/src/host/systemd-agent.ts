import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { Agent } from "./agent.ts";
import { mustRun, runCommand } from "./run-command.ts";

const LAST_LINES = "40";

/** The agent as a systemd service: restarted when it ends, started with the host. */
export class SystemdAgent implements Agent {
  readonly keeper = "systemd";
  readonly logHint: string;
  readonly #unit: string;
  readonly #service: string;

  /** @param unit the unit's file. */
  constructor(unit: string) {
    this.#unit = unit;
    this.#service = basename(unit);
    this.logHint = `journalctl -u ${this.#service} -f`;
  }

  async pid(signal: AbortSignal): Promise<number | undefined> {
    const show = ["systemctl", "show", "--property=MainPID", "--value", this.#service];
    const pid = Number((await runCommand(show, signal)).stdout.trim());
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  }

  async start(command: readonly string[], signal: AbortSignal): Promise<void> {
    mkdirSync(dirname(this.#unit), { recursive: true });
    // FIX: KubeEdge leaves this file writable for everybody, who could so run what they like as root.
    writeFileSync(this.#unit, unitFile(command, process.execPath), { mode: 0o644 });
    await mustRun(["systemctl", "daemon-reload"], signal);
    await mustRun(["systemctl", "enable", this.#service], signal);
    await mustRun(["systemctl", "restart", this.#service], signal);
  }

  async stop(signal: AbortSignal): Promise<void> {
    if (existsSync(this.#unit)) await mustRun(["systemctl", "stop", this.#service], signal);
  }

  async remove(signal: AbortSignal): Promise<void> {
    if (!existsSync(this.#unit)) return;
    await this.stop(signal);
    await mustRun(["systemctl", "disable", this.#service], signal);
    rmSync(this.#unit, { force: true });
    await mustRun(["systemctl", "daemon-reload"], signal);
  }

  command(): readonly string[] | undefined {
    try {
      const line = /^ExecStart=(.*)$/m.exec(readFileSync(this.#unit, "utf8"))?.[1] ?? "";
      return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map((word) => unquote(word[1] ?? word[2] ?? ""));
    } catch {
      return undefined;
    }
  }

  async lastWords(signal: AbortSignal): Promise<string> {
    const command = ["journalctl", "--unit", this.#service, "--lines", LAST_LINES, "--output", "cat", "--no-pager"];
    return (await runCommand(command, signal)).stdout.trimEnd();
  }
}

/** As KubeEdge's, with the Node that runs us; KillMode: containers are no children of the agent, mounts' helpers may be. */
export function unitFile(command: readonly string[], node: string): string {
  return `# Written by keadm.
[Unit]
Description=Kedge edgecore
Documentation=https://kubeedge.io
After=network-online.target containerd.service
Wants=network-online.target

[Service]
Type=simple
Environment=${quote(`KEDGE_NODE=${node}`)}
ExecStart=${command.map(quote).join(" ")}
Restart=always
RestartSec=10
KillMode=process

[Install]
WantedBy=multi-user.target
`;
}

/** systemd reads specifiers (%) and variables ($) also within quotes. */
function quote(word: string): string {
  return `"${word.replaceAll(/["\\]/g, "\\$&").replaceAll("%", "%%").replaceAll("$", "$$$$")}"`;
}

function unquote(word: string): string {
  return word.replaceAll(/\\(.)/g, "$1").replaceAll("%%", "%").replaceAll("$$", "$");
}
