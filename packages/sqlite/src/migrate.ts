import type { DatabaseSync } from "node:sqlite";
import { DatabaseError } from "./database-error.ts";
import { transact } from "./transact.ts";

/**
 * Brings one component's tables up to date, all or nothing. Components share a file and know only their own tables.
 *
 * @param component who owns the tables; its version is kept under this name.
 * @param migrations SQL scripts, oldest first; only ever append. The version is how many have run.
 * @throws {DatabaseError} `SchemaTooNew`: a later program has been here.
 */
export function migrate(db: DatabaseSync, component: string, migrations: readonly string[]): void {
  transact(db, () => {
    db.exec("CREATE TABLE IF NOT EXISTS schema_versions (component TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT");
    const row = db.prepare("SELECT version FROM schema_versions WHERE component = ?").get(component);
    const version = Number(row?.["version"] ?? 0);
    if (version > migrations.length)
      throw new DatabaseError(
        `the tables of ${component} have version ${version}, this program knows ${migrations.length}: use the later program`,
        { code: "SchemaTooNew", component, version },
      );
    for (const script of migrations.slice(version)) db.exec(script);
    db.prepare(
      "INSERT INTO schema_versions VALUES (?, ?) ON CONFLICT (component) DO UPDATE SET version = excluded.version",
    ).run(component, migrations.length);
  });
}
