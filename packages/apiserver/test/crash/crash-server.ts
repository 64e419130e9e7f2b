// The program that crash-safety.itest.ts kills: an API server alone. Prints its URL once it is ready.
import { createLogger, systemClock } from "@kedge/runtime";
import { startApiServer } from "../../src/apiserver.ts";

const [stateDir = ""] = process.argv.slice(2);
const api = await startApiServer(
  {
    stateDir,
    address: "127.0.0.1",
    port: 0,
    advertiseAddresses: ["127.0.0.1"],
    compaction: { revisionsMax: 200, intervalMs: 100 },
  },
  { logger: createLogger({}, { level: "warn" }), clock: systemClock },
  new AbortController().signal,
);
process.stdout.write(`${api.url}\n`);
