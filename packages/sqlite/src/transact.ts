import type { DatabaseSync } from "node:sqlite";

/**
 * Runs `work` in one transaction: committed and on disk when this returns, as if it never was when this throws.
 *
 * @param work must not wait for anything: everybody else's writes would fall into this transaction.
 */
export function transact<T>(db: DatabaseSync, work: () => T): T {
  db.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    // A full disk or an I/O error may have ended the transaction already.
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}
