import type { DatabaseSync, StatementSync } from "node:sqlite";
import { migrate } from "@kedge/sqlite";

const MIGRATIONS = ["CREATE TABLE IF NOT EXISTS sub_topics (topic text, PRIMARY KEY (topic))"];

/** Table `sub_topics`: what the rules of the cloud's Router want to hear. Writes must run in a transaction of the writer. */
export class SubTopicsRepository {
  readonly #list: StatementSync;
  readonly #add: StatementSync;
  readonly #remove: StatementSync;

  constructor(db: DatabaseSync) {
    migrate(db, "eventbus", MIGRATIONS);
    this.#list = db.prepare("SELECT topic FROM sub_topics ORDER BY topic");
    this.#add = db.prepare("INSERT OR IGNORE INTO sub_topics (topic) VALUES (?)");
    this.#remove = db.prepare("DELETE FROM sub_topics WHERE topic = ?");
  }

  list(): string[] {
    return this.#list.all().map((row) => String(row["topic"]));
  }

  add(topic: string): void {
    this.#add.run(topic);
  }

  remove(topic: string): void {
    this.#remove.run(topic);
  }
}
