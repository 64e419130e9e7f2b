export { type DatabaseConfig, openDatabase } from "./open-database.ts";
export { DatabaseError } from "./database-error.ts";
export { GROUP_COMMIT_PENDING_MAX, GroupCommit, type GroupCommitOptions } from "./group-commit.ts";
export { migrate } from "./migrate.ts";
export { transact } from "./transact.ts";
