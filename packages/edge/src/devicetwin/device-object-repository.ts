import type { DatabaseSync, StatementSync } from "node:sqlite";

/** What was last applied of a Device object. */
export interface AppliedDevice {
  readonly uid: string;
  readonly resourceVersion: string;
  /** Property → desired value; `null`: the property has none. */
  readonly desired: Readonly<Record<string, string | null>>;
}

/** Table `kedge_device_object`. Writes must run within a transaction of the one writer. */
export class DeviceObjectRepository {
  readonly #get: StatementSync;
  readonly #put: StatementSync;

  constructor(db: DatabaseSync) {
    this.#get = db.prepare("SELECT * FROM kedge_device_object WHERE deviceid = ?");
    this.#put = db.prepare(`
      INSERT OR REPLACE INTO kedge_device_object (deviceid, uid, resource_version, desired)
      VALUES (@device, @uid, @resourceVersion, @desired)`);
  }

  get(device: string): AppliedDevice | undefined {
    const row = this.#get.get(device);
    if (row === undefined) return undefined;
    return {
      uid: String(row["uid"]),
      resourceVersion: String(row["resource_version"]),
      desired: JSON.parse(String(row["desired"])) as AppliedDevice["desired"],
    };
  }

  put(device: string, applied: AppliedDevice): void {
    this.#put.run({ ...applied, device, desired: JSON.stringify(applied.desired) });
  }
}
