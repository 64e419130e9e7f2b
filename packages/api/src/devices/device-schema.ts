import Type, { type Static } from "typebox";
import { bool, fields, free, int, int32, int64, list, strict, text, textMap } from "../crds/crd-fields.ts";

/** A value and facts about it, such as `type` and `timestamp` (ms, as text). */
export const TwinProperty = strict({
  value: text("The value, as text."),
  metadata: Type.Optional(textMap("Facts about the value, such as its type and timestamp.")),
});
export type TwinProperty = Static<typeof TwinProperty>;

export const VisitorConfig = fields(
  {
    protocolName: text("Name of the protocol."),
    configData: free("How the mapper finds the property on the device; values are scalars."),
  },
  { description: "How to access the property." },
);

export const ProtocolConfig = fields(
  {
    protocolName: text("Protocol that the device speaks; chooses the mapper."),
    configData: free("How the mapper reaches the device; values are scalars."),
  },
  { description: "How to reach the device." },
);

const DBMethod = fields(
  {
    influxdb2: fields({
      influxdb2ClientConfig: fields({
        url: text("URL of InfluxDB."),
        org: text("Organization."),
        bucket: text("Bucket."),
      }),
      influxdb2DataConfig: fields({
        measurement: text("Measurement."),
        tag: textMap("Tags of each point."),
        fieldKey: text("Key of the field."),
      }),
    }),
    redis: fields({
      redisClientConfig: fields({
        addr: text("Address of Redis."),
        db: int("Number of the database."),
        poolsize: int("Connections at most."),
        minIdleConns: int("Idle connections at least."),
      }),
    }),
    TDEngine: fields({
      TDEngineClientConfig: fields({ addr: text("Address of TDengine."), dbName: text("Database.") }),
    }),
    mysql: fields({
      mysqlClientConfig: fields({
        addr: text("Address of MySQL."),
        database: text("Database."),
        userName: text("User."),
      }),
    }),
  },
  { description: "A database that the mapper writes values to." },
);

const PushMethod = fields(
  {
    http: fields({
      hostName: text("Scheme and host to post to."),
      port: int64("Port."),
      requestPath: text("Path."),
      timeout: int64("Seconds."),
    }),
    mqtt: fields({
      address: text("URL of the broker."),
      topic: text("Topic."),
      qos: int32("Quality of service."),
      retained: bool("Whether the broker keeps the last value."),
    }),
    otel: fields({ endpointURL: text("OTLP endpoint.") }),
    dbMethod: DBMethod,
    anomalyDetection: free("Interpreted by the mapper's driver."),
  },
  { description: "Where the mapper sends values itself." },
);

const DeviceProperty = fields({
  name: text("Name of a property of the model."),
  desired: Type.Optional(TwinProperty),
  visitors: VisitorConfig,
  reportCycle: int64("Milliseconds between two pushes; 0: 1000."),
  collectCycle: int64("Milliseconds between two readings; 0: 1000."),
  reportToCloud: bool("Whether the mapper reports the twin."),
  pushMethod: PushMethod,
});

export const DeviceSpec = fields(
  {
    deviceModelRef: fields(
      { name: text("A DeviceModel of the same namespace.", { default: "" }) },
      { description: "The device's model." },
    ),
    nodeName: text("Edge node that has the device; empty: none."),
    properties: list(DeviceProperty, "What can be read and written; names are unique."),
    protocol: ProtocolConfig,
    methods: list(
      fields({
        name: text("Name of the method."),
        description: text("What it does."),
        propertyNames: list(Type.String(), "Properties that it writes."),
      }),
      "What the device can be told to do.",
    ),
    stateReport: fields(
      {
        reportToCloud: bool("Whether the state is reported."),
        reportCycle: int64("Milliseconds between two reports."),
      },
      { description: "Reporting of the device's state." },
    ),
  },
  { description: "The wanted device." },
);
export type DeviceSpec = Static<typeof DeviceSpec>;

export const DeviceModelSpec = fields(
  {
    protocol: text("Protocol name; chooses the mapper that is told about the model."),
    protocolConfigData: free("Defaults below the protocol.configData of each device."),
    properties: list(
      fields({
        name: text("Name of the property, unique in the model."),
        description: text("What it is."),
        type: Type.Unsafe<"INT" | "FLOAT" | "DOUBLE" | "STRING" | "BOOLEAN" | "BYTES" | "STREAM">({
          type: "string",
          enum: ["INT", "FLOAT", "DOUBLE", "STRING", "BOOLEAN", "BYTES", "STREAM"],
          description: "Type of its values.",
        }),
        accessMode: Type.Unsafe<"ReadWrite" | "ReadOnly">({
          type: "string",
          enum: ["ReadWrite", "ReadOnly"],
          description: "Whether it can be written.",
        }),
        minimum: text("Smallest value, as text."),
        maximum: text("Largest value, as text."),
        unit: text("Unit of its values."),
        visitors: VisitorConfig,
      }),
      "What devices of this model have.",
    ),
  },
  { description: "What devices of one kind have in common." },
);
export type DeviceModelSpec = Static<typeof DeviceModelSpec>;

export const DeviceStatusStatus = fields(
  {
    twins: list(
      fields({
        propertyName: text("Name of the property."),
        reported: Type.Optional(TwinProperty),
        observedDesired: Type.Optional(TwinProperty),
      }),
      "What the device reported last.",
    ),
    state: text("State as the mapper says it: online, offline, ok, unknown, unhealthy."),
    lastOnlineTime: text("When the device was last known to be online; RFC 3339, UTC."),
    extensions: free("For other programs."),
  },
  { description: "What the edge said last." },
);
export type DeviceStatusStatus = Static<typeof DeviceStatusStatus>;

/** Legacy: only these two have a meaning, used where `spec.stateReport` is absent. */
export interface LegacyDeviceStatus {
  reportToCloud?: boolean;
  reportCycle?: number;
}
