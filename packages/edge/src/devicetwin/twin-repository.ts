import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Side, StoredTwin, TwinPart } from "./stored-twin.ts";
import type { TwinVersion } from "./twin-payloads.ts";

/** Table `device_twin`. Writes must run within a transaction of the one writer. */
export class TwinRepository {
  readonly #get: StatementSync;
  readonly #list: StatementSync;
  readonly #add: StatementSync;
  readonly #update: StatementSync;
  readonly #remove: StatementSync;

  constructor(db: DatabaseSync) {
    // Without a unique key a stock agent may have left two rows: the later one counts.
    this.#get = db.prepare("SELECT * FROM device_twin WHERE deviceid = ? AND name = ? ORDER BY id DESC LIMIT 1");
    this.#list = db.prepare("SELECT * FROM device_twin WHERE deviceid = ? ORDER BY name, id");
    this.#add = db.prepare(`
      INSERT INTO device_twin (deviceid, name, description, expected, actual, expected_meta, actual_meta,
        expected_version, actual_version, optional, attr_type, metadata)
      VALUES (@device, @name, '', @expected, @actual, @expected_meta, @actual_meta,
        @expected_version, @actual_version, @optional, @type, @metadata)`);
    this.#update = db.prepare(`
      UPDATE device_twin SET expected = @expected, actual = @actual, expected_meta = @expected_meta,
        actual_meta = @actual_meta, expected_version = @expected_version, actual_version = @actual_version,
        optional = @optional, attr_type = @type, metadata = @metadata
      WHERE deviceid = @device AND name = @name`);
    this.#remove = db.prepare("DELETE FROM device_twin WHERE deviceid = ? AND name = ?");
  }

  get(device: string, name: string): StoredTwin | undefined {
    const row = this.#get.get(device, name);
    return row === undefined ? undefined : readTwin(row);
  }

  /** Tombstones, too; by name. */
  list(device: string): StoredTwin[] {
    const twins = new Map<string, StoredTwin>();
    for (const row of this.#list.all(device)) {
      const twin = readTwin(row);
      twins.set(twin.name, twin);
    }
    return [...twins.values()];
  }

  put(device: string, twin: StoredTwin): void {
    const row = {
      device,
      name: twin.name,
      ...writePart("expected", twin.expected),
      ...writePart("actual", twin.actual),
      optional: twin.optional ? 1 : 0,
      type: twin.type,
      metadata: twin.metadata,
    };
    if (this.#update.run(row).changes === 0) this.#add.run(row);
  }

  remove(device: string, name: string): void {
    this.#remove.run(device, name);
  }
}

type Row = Readonly<Record<string, unknown>>;

function readTwin(row: Row): StoredTwin {
  return {
    name: String(row["name"]),
    expected: readPart(row, "expected"),
    actual: readPart(row, "actual"),
    optional: Number(row["optional"]) !== 0,
    type: typeof row["attr_type"] === "string" ? row["attr_type"] : "",
    metadata: typeof row["metadata"] === "string" ? row["metadata"] : "",
  };
}

function readPart(row: Row, side: Side): TwinPart {
  const value = row[side];
  const timestamp = parse(row[`${side}_meta`])?.["timestamp"];
  const version = parse(row[`${side}_version`]);
  return {
    value: typeof value === "string" ? value : null,
    timestamp: typeof timestamp === "number" ? timestamp : undefined,
    version: version === undefined ? undefined : readVersion(version),
  };
}

function readVersion({ cloud, edge }: Row): TwinVersion {
  return { cloud: typeof cloud === "number" ? cloud : 0, edge: typeof edge === "number" ? edge : 0 };
}

/** JSON text; empty or NULL stands for nothing. */
function parse(text: unknown): Row | undefined {
  if (typeof text !== "string" || text === "") return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Row) : undefined;
  } catch {
    return undefined; // a damaged column must not cost us the device
  }
}

type Columns<S extends Side> = Record<S | `${S}_meta` | `${S}_version`, string | null>;

function writePart<S extends Side>(side: S, { value, timestamp, version }: TwinPart): Columns<S> {
  const empty = value === null ? null : "";
  return {
    [side]: value,
    [`${side}_meta`]: timestamp === undefined ? empty : JSON.stringify({ timestamp }),
    [`${side}_version`]: version === undefined ? "" : JSON.stringify({ cloud: version.cloud, edge: version.edge }),
  } as Columns<S>;
}
