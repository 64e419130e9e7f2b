/** DeviceTwin and the internal broker as a process that a test can kill: `node device-process.test-data.ts <database>`. */
import { loadEdgeCoreConfig } from "@kedge/api";
import { MessageBus, silentLogger } from "@kedge/runtime";
import { GroupCommit, openDatabase } from "@kedge/sqlite";
import { DeviceTwin } from "../src/devicetwin/devicetwin.ts";
import type { EdgeMessages, EdgeNotices } from "../src/edge-messages.ts";
import { EventBus } from "../src/eventbus/eventbus.ts";

const [, , path = ""] = process.argv;
const eventBus = { mqttMode: 0, mqttServerInternal: "tcp://127.0.0.1:0" };
const { config } = loadEdgeCoreConfig({ modules: { eventBus } }, { hostname: "edge-1", localIP: "127.0.0.1" });
const db = openDatabase({ path });
const bus = new MessageBus<EdgeMessages, EdgeNotices>();
const deps = { bus, db, commits: new GroupCommit(db), logger: silentLogger };
const signal = AbortSignal.timeout(10_000);
await DeviceTwin.start({ nodeName: "edge-1" }, deps, signal);
const membership = { source: "devicecontroller", group: "twin", operation: "update", resource: "membership" };
const content = { added_devices: [{ id: "default/counter", name: "counter" }] };
await bus.request("twin/downstream", { header: { msg_id: "m", timestamp: 1 }, route: membership, content }, signal);
const { internalPort } = await EventBus.start(config.modules.eventBus, deps, signal);
process.send?.({ port: internalPort });
