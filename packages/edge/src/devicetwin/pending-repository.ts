import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Stands for the device's state among its properties. */
export const STATE_PROPERTY = "";

/**
 * Table `kedge_twin_pending`: what the cloud has not confirmed yet; one row for each property, however often it changed,
 * so that the table is bounded by the twins. Writes must run within a transaction of the one writer.
 */
export class PendingRepository {
  readonly #put: StatementSync;
  readonly #confirm: StatementSync;
  readonly #drop: StatementSync;
  readonly #devices: StatementSync;
  readonly #list: StatementSync;
  #seq: number;

  constructor(db: DatabaseSync) {
    this.#put = db.prepare("INSERT OR REPLACE INTO kedge_twin_pending (deviceid, property, seq) VALUES (?, ?, ?)");
    this.#confirm = db.prepare("DELETE FROM kedge_twin_pending WHERE deviceid = ? AND property = ? AND seq <= ?");
    this.#drop = db.prepare("DELETE FROM kedge_twin_pending WHERE deviceid = ? AND property = ?");
    this.#devices = db.prepare(
      "SELECT deviceid, min(seq) AS first FROM kedge_twin_pending GROUP BY deviceid ORDER BY first",
    );
    this.#list = db.prepare("SELECT property, seq FROM kedge_twin_pending WHERE deviceid = ? ORDER BY property");
    this.#seq = Number(db.prepare("SELECT max(seq) AS last FROM kedge_twin_pending").get()?.["last"] ?? 0);
  }

  /** Notes that these properties have something to report. @returns the number of this note; later ones are higher. */
  add(device: string, properties: readonly string[]): number {
    this.#seq += 1;
    for (const property of properties) this.#put.run(device, property, this.#seq);
    return this.#seq;
  }

  /** The cloud has what was noted up to `seq`; what was noted later stays. */
  confirm(device: string, properties: readonly string[], seq: number): void {
    for (const property of properties) this.#confirm.run(device, property, seq);
  }

  /** Nothing is left to report of this property. */
  drop(device: string, property: string): void {
    this.#drop.run(device, property);
  }

  /** Those with anything pending, longest waiting first. */
  devices(): string[] {
    return this.#devices.all().map((row) => String(row["deviceid"]));
  }

  list(device: string): { readonly property: string; readonly seq: number }[] {
    return this.#list.all(device).map((row) => ({ property: String(row["property"]), seq: Number(row["seq"]) }));
  }
}
