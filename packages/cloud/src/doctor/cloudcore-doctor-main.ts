import { parseArgs } from "node:util";
import { isWell, renderReport, renderReportJson, toError } from "@kedge/runtime";
import packageJson from "../../package.json" with { type: "json" };
import { CLOUDCORE_CONFIG_FILE } from "../cloudcore-config-file.ts";
import { examineCloud } from "./cloud-doctor.ts";

const USAGE = `Usage: cloudcore doctor [--config FILE] [--output text|json]

Checks all that cloudcore needs, changes nothing, and exits with 1 if something is missing.

  --config FILE    default ${CLOUDCORE_CONFIG_FILE}
  --output FORMAT  text (default) or json
`;

/** @returns the exit status: 0 all is well, 1 a check failed, 2 called wrongly. */
async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: "string", default: CLOUDCORE_CONFIG_FILE },
      output: { type: "string", short: "o", default: "text" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (values.output !== "text" && values.output !== "json") throw new Error(`--output ${values.output}: text or json`);
  const results = await examineCloud(values.config, new AbortController().signal);
  const report = { program: "cloudcore", version: packageJson.version, config: values.config, results };
  process.stdout.write(values.output === "json" ? renderReportJson(report) : renderReport(report));
  return isWell(report) ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`cloudcore: ${toError(error).message}; see cloudcore doctor --help\n`);
  process.exitCode = 2;
}
