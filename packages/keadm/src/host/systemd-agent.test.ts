import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { SystemdAgent, unitFile } from "./systemd-agent.ts";

const COMMAND = ["/opt/my kedge/kedge", "edgecore", "--config", '/etc/$HOME/100%/"x"'];

test("words of the command reach systemd as they are", () => {
  const text = unitFile(COMMAND, "/usr/bin/node");
  assert.match(text, /^ExecStart="\/opt\/my kedge\/kedge" "edgecore" "--config" "\/etc\/\$\$HOME\/100%%\/\\"x\\""$/m);
  assert.match(text, /^Restart=always$/m);
  assert.match(text, /^KillMode=process$/m);
});

test("FIX: nobody but root may change the unit; starting enables, removing leaves nothing", async () => {
  const dir = mkdtempSync(join(tmpdir(), "kedge-unit-"));
  const path = process.env["PATH"];
  try {
    // Stands in for a service manager, which test machines lack, and notes what it was asked.
    writeFileSync(join(dir, "systemctl"), `#!/bin/sh\necho "$@" >>${dir}/calls\n`);
    chmodSync(join(dir, "systemctl"), 0o755);
    process.env["PATH"] = `${dir}${delimiter}${path ?? ""}`;
    const unit = join(dir, "edgecore.service");
    const agent = new SystemdAgent(unit);
    const signal = AbortSignal.timeout(10_000);
    await agent.start(COMMAND, signal);
    assert.equal(statSync(unit).mode & 0o777, 0o644);
    assert.deepEqual(agent.command(), COMMAND);
    await agent.remove(signal);
    await agent.remove(signal);
    assert.deepEqual(readFileSync(join(dir, "calls"), "utf8").trim().split("\n"), [
      "daemon-reload",
      "enable edgecore.service",
      "restart edgecore.service",
      "stop edgecore.service",
      "disable edgecore.service",
      "daemon-reload",
    ]);
    assert.equal(agent.command(), undefined);
  } finally {
    process.env["PATH"] = path;
    rmSync(dir, { recursive: true });
  }
});
