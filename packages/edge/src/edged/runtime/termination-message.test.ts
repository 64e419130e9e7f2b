import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { record } from "../pods/pod.test-data.ts";
import { MESSAGE_BYTES_MAX, terminationMessage } from "./termination-message.ts";

describe("a container's last words", () => {
  let root = "";
  before(async () => void (root = await mkdtemp(join(tmpdir(), "kedge-message-"))));
  after(() => rm(root, { recursive: true }));

  const say = async (name: string, text: string) => {
    await writeFile(join(root, name), text);
    return join(root, name);
  };
  const line = (text: string, kind = "F") => `2026-01-01T00:00:00.123456789Z stdout ${kind} ${text}\n`;
  const ended = (path: string | undefined, logPath: string, exitCode = 1) =>
    record("app", "exited", {
      exitCode,
      logPath,
      terminationMessageHostPath: path,
      terminationMessagePolicy: "FallbackToLogsOnError",
    });

  test("are the end of what it wrote, cut to their maximum", async () => {
    const path = await say("file", `first${"x".repeat(MESSAGE_BYTES_MAX)}last`);
    const message = await terminationMessage(ended(path, ""));
    assert.deepEqual([message.length, message.slice(0, 5), message.slice(-5)], [MESSAGE_BYTES_MAX, "xxxxx", "xlast"]);
  });

  test("are the end of one endless line, which its runtime cut in parts", async () => {
    const part = "z".repeat(16 * 1024);
    const log = await say("parts", line(part, "P") + line(part, "P") + line(`${"y".repeat(3000)}end`));
    const message = await terminationMessage(ended(undefined, log));
    assert.deepEqual([message.length, message.slice(-6)], [2048, "yyend\n"]);
    const cut = await say("cut", line("early") + line(part, "P") + line("end"));
    assert.match(await terminationMessage(ended(undefined, cut)), /^z+end\n$/);
  });

  test("are not looked for in the log of a container that never ran", async () => {
    const log = await say("never", line("of an earlier run"));
    const never = { ...ended(undefined, log, 128), reason: "StartError" };
    assert.equal(await terminationMessage(never), "");
  });

  test("are the end of its log, if it failed and wrote none", async () => {
    const log = await say("log", line("one") + line("tw", "P") + line("o") + "broken line\n");
    assert.equal(await terminationMessage(ended(await say("empty", ""), log)), "one\ntwo\n");
    assert.equal(await terminationMessage(ended(undefined, log, 0)), "");
  });

  test("are at most 80 lines and 2048 bytes of it", async () => {
    const many = await say("many", Array.from({ length: 200 }, (_, index) => line(String(index))).join(""));
    const words = (await terminationMessage(ended(undefined, many))).trimEnd().split("\n");
    assert.deepEqual([words.length, words.at(-1)], [80, "199"]);
    const long = await say("long", Array.from({ length: 50 }, () => line("y".repeat(100))).join(""));
    assert.equal((await terminationMessage(ended(undefined, long))).length, 2048);
  });

  test("are none when nothing is there to read", async () => {
    assert.equal(await terminationMessage(ended(join(root, "absent"), join(root, "absent"))), "");
  });
});
