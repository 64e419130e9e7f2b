/**
 * EdgeHub as a process that a test can kill: `node hub-process.test-data.ts <folder> <server> <httpServer> <token>`. It
 * accepts each number that its parent sends, and says so.
 */
import { join } from "node:path";
import { mqttUpload } from "@kedge/protocol";
import { MessageBus, silentLogger } from "@kedge/runtime";
import { GroupCommit, openDatabase } from "@kedge/sqlite";
import type { EdgeMessages, EdgeNotices } from "../src/edge-messages.ts";
import { EdgeHub } from "../src/edgehub/edgehub.ts";

const [, , folder = "", server = "", httpServer = "", token = ""] = process.argv;
const db = openDatabase({ path: join(folder, "edgecore.db") });
const bus = new MessageBus<EdgeMessages, EdgeNotices>();
const signal = AbortSignal.timeout(60_000);
await EdgeHub.start(
  {
    nodeName: "edge-1",
    projectId: "p",
    server,
    handshakeTimeoutMs: 5_000,
    writeTimeoutMs: 5_000,
    heartbeatMs: 15_000,
    messageQps: 0,
    messageBurst: 0,
    certificate: {
      httpServer,
      token,
      bootstrapFile: join(folder, "none"),
      rotate: false,
      paths: { caFile: join(folder, "ca"), certFile: join(folder, "crt"), keyFile: join(folder, "key") },
    },
  },
  { bus, db, commits: new GroupCommit(db), logger: silentLogger },
  signal,
);
process.on("message", (number: number) => {
  void bus.request("hub/send", mqttUpload("topic", String(number)), signal).then(() => process.send?.(number));
});
process.on("disconnect", () => process.exit());
process.send?.("ready");
