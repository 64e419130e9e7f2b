import type { DatabaseSync } from "node:sqlite";
import { migrate } from "@kedge/sqlite";

// The first three are KubeEdge's, column for column, so that its agent and ours can take over each other's database.
// Theirs have no unique key for (deviceid, name); an index makes ours quick, and the writer is one.
const MIGRATIONS = [
  `CREATE TABLE IF NOT EXISTS device (
     id text, name text, description text, state text, last_online text, PRIMARY KEY (id));
   CREATE TABLE IF NOT EXISTS device_attr (
     id integer PRIMARY KEY AUTOINCREMENT, deviceid text, name text, description text, value text, optional numeric,
     attr_type text, metadata text);
   CREATE TABLE IF NOT EXISTS device_twin (
     id integer PRIMARY KEY AUTOINCREMENT, deviceid text, name text, description text, expected text, actual text,
     expected_meta text, actual_meta text, expected_version text, actual_version text, optional numeric, attr_type text,
     metadata text);
   CREATE INDEX IF NOT EXISTS kedge_device_attr ON device_attr (deviceid, name);
   CREATE INDEX IF NOT EXISTS kedge_device_twin ON device_twin (deviceid, name);
   CREATE TABLE kedge_device_object (
     deviceid TEXT PRIMARY KEY, uid TEXT NOT NULL, resource_version TEXT NOT NULL, desired TEXT NOT NULL) STRICT;
   CREATE TABLE kedge_twin_pending (
     deviceid TEXT NOT NULL, property TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (deviceid, property)) STRICT`,
];

/** Creates the tables of DeviceTwin, or finds those of KubeEdge's agent. */
export function migrateDeviceTables(db: DatabaseSync): void {
  migrate(db, "devicetwin", MIGRATIONS);
}
