import { basename, join } from "node:path";

/**
 * Imported first, for its effect: `cloudcore doctor` becomes the doctor, a program of its own beside this one, so that
 * cloudcore pays nothing for it.
 */
const { argv, execPath, execArgv, env } = process;
const [, script = "", command, ...args] = argv;
if (command === "doctor") {
  const isBundle = basename(script) === "main.mjs";
  const doctor = isBundle ? "../../cloudcore-doctor/main.mjs" : "../doctor/cloudcore-doctor-main.ts";
  process.execve?.(execPath, [execPath, ...execArgv, join(script, doctor), ...args], env);
}
