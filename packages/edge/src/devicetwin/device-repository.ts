import type { DatabaseSync, StatementSync } from "node:sqlite";

/** A row of `device`. */
export interface StoredDevice {
  /** `<namespace>/<name>` */
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly state: string;
  /** RFC 3339, or empty. */
  readonly lastOnline: string;
}

/** A row of `device_attr`. */
export interface StoredAttribute {
  readonly name: string;
  readonly value: string;
  readonly optional: boolean;
  readonly type: string;
  readonly metadata: string;
}

/** Tables `device` and `device_attr`. Writes must run within a transaction of the one writer. */
export class DeviceRepository {
  readonly #get: StatementSync;
  readonly #list: StatementSync;
  readonly #count: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: readonly StatementSync[];
  readonly #attributes: StatementSync;
  readonly #addAttribute: StatementSync;
  readonly #updateAttribute: StatementSync;
  readonly #removeAttribute: StatementSync;

  constructor(db: DatabaseSync) {
    this.#get = db.prepare("SELECT * FROM device WHERE id = ?");
    this.#list = db.prepare("SELECT * FROM device ORDER BY id");
    this.#count = db.prepare("SELECT count(*) AS count FROM device");
    this.#put = db.prepare(`
      INSERT INTO device (id, name, description, state, last_online)
      VALUES (@id, @name, @description, @state, @lastOnline)
      ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description,
        state = excluded.state, last_online = excluded.last_online`);
    this.#remove = [
      db.prepare("DELETE FROM device WHERE id = ?"),
      ...["device_attr", "device_twin", "kedge_device_object", "kedge_twin_pending"].map((table) =>
        db.prepare(`DELETE FROM ${table} WHERE deviceid = ?`),
      ),
    ];
    this.#attributes = db.prepare("SELECT * FROM device_attr WHERE deviceid = ? ORDER BY name");
    this.#addAttribute = db.prepare(`
      INSERT INTO device_attr (deviceid, name, description, value, optional, attr_type, metadata)
      VALUES (@device, @name, '', @value, @optional, @type, @metadata)`);
    this.#updateAttribute = db.prepare(`
      UPDATE device_attr SET value = @value, optional = @optional, attr_type = @type, metadata = @metadata
      WHERE deviceid = @device AND name = @name`);
    this.#removeAttribute = db.prepare("DELETE FROM device_attr WHERE deviceid = ? AND name = ?");
  }

  get(id: string): StoredDevice | undefined {
    const row = this.#get.get(id);
    return row === undefined ? undefined : readDevice(row);
  }

  list(): StoredDevice[] {
    return this.#list.all().map(readDevice);
  }

  count(): number {
    return Number(this.#count.get()?.["count"] ?? 0);
  }

  put(device: StoredDevice): void {
    this.#put.run({ ...device });
  }

  /** With its attributes, twins, and all that waits to be reported. */
  remove(id: string): void {
    for (const statement of this.#remove) statement.run(id);
  }

  attributes(device: string): StoredAttribute[] {
    return this.#attributes.all(device).map((row) => ({
      name: text(row["name"]),
      value: text(row["value"]),
      optional: Number(row["optional"]) !== 0,
      type: text(row["attr_type"]),
      metadata: text(row["metadata"]),
    }));
  }

  putAttribute(device: string, attribute: StoredAttribute): void {
    const row = { ...attribute, device, optional: attribute.optional ? 1 : 0 };
    if (this.#updateAttribute.run(row).changes === 0) this.#addAttribute.run(row);
  }

  removeAttribute(device: string, name: string): void {
    this.#removeAttribute.run(device, name);
  }
}

type Row = Readonly<Record<string, unknown>>;

function readDevice(row: Row): StoredDevice {
  return {
    id: text(row["id"]),
    name: text(row["name"]),
    description: text(row["description"]),
    state: text(row["state"]),
    lastOnline: text(row["last_online"]),
  };
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
