/**
 * The older version of the device kinds: still served, so that old clients can read and write; nothing acts on it.
 *
 * @see `devices-and-messaging` §1.4
 */
import Type from "typebox";
import { bool, decimal, fields, free, int, int64, list, oneOf, strict, text, textMap } from "../crds/crd-fields.ts";

const accessMode = oneOf(["ReadWrite", "ReadOnly"], "Whether the property can be written.");
const numeric = (value: () => ReturnType<typeof int64> | ReturnType<typeof decimal>) =>
  fields({
    accessMode,
    defaultValue: value(),
    minimum: value(),
    maximum: value(),
    unit: text("Unit of the values."),
  });
const whole = () => int64("A whole number.");
const float = () => decimal("A number.");

export const DeviceModelSpecV1alpha2 = fields({
  properties: list(
    fields({
      name: text("Name of the property."),
      description: text("What it is."),
      type: fields({
        int: numeric(whole),
        string: fields({ accessMode, defaultValue: text("Default.") }),
        double: numeric(float),
        float: numeric(float),
        boolean: fields({ accessMode, defaultValue: bool("Default.") }),
        bytes: fields({ accessMode }),
      }),
    }),
    "What devices of this model have.",
  ),
});

const requirements = () =>
  list(
    strict({
      key: text("Key of a label or field."),
      operator: text("In, NotIn, Exists, DoesNotExist, Gt or Lt."),
      values: Type.Optional(list(Type.String(), "What it is compared with.")),
    }),
    "All must hold.",
  );
const nodeSelector = strict({
  nodeSelectorTerms: list(
    fields({ matchExpressions: requirements(), matchFields: requirements() }),
    "One of them must hold.",
  ),
});

const customized = fields({
  protocolName: text("Name of the protocol."),
  configData: free("As the mapper needs it."),
});

const protocol = fields({
  opcua: fields({
    url: text("URL of the server."),
    userName: text("User."),
    password: text("Password."),
    securityPolicy: text("Security policy."),
    securityMode: text("Security mode."),
    certificate: text("Certificate."),
    privateKey: text("Private key."),
    timeout: int64("Seconds."),
  }),
  modbus: fields({ slaveID: int64("Id of the slave.") }),
  bluetooth: fields({ macAddress: text("Address of the device.") }),
  common: fields({
    com: fields({
      serialPort: text("Serial port."),
      baudRate: Type.Unsafe<number>({
        type: "integer",
        format: "int64",
        enum: [115200, 57600, 38400, 19200, 9600, 4800, 2400, 1800, 1200, 600, 300, 200, 150, 134, 110, 75, 50],
        description: "Baud rate.",
      }),
      dataBits: Type.Unsafe<number>({
        type: "integer",
        format: "int64",
        enum: [8, 7, 6, 5],
        description: "Data bits.",
      }),
      parity: oneOf(["even", "odd", "none"], "Parity."),
      stopBits: Type.Unsafe<number>({ type: "integer", format: "int64", enum: [1, 2], description: "Stop bits." }),
    }),
    tcp: fields({ ip: text("Address."), port: int64("Port.") }),
    commType: text("Kind of communication."),
    reconnTimeout: int64("Time between tries to connect."),
    reconnRetryTimes: int64("Tries to connect."),
    collectTimeout: int64("Time limit of a reading."),
    collectRetryTimes: int64("Tries to read."),
    collectType: oneOf(["sync", "async"], "How values are read."),
    customizedValues: free("As the mapper needs it."),
  }),
  customizedProtocol: customized,
});

const propertyVisitor = fields({
  propertyName: text("Name of a property of the model."),
  reportCycle: int64("Time between two reports."),
  collectCycle: int64("Time between two readings."),
  customizedValues: free("As the mapper needs it."),
  opcua: fields({ nodeID: text("Id of the node."), browseName: text("Name of the node.") }),
  modbus: fields({
    register: oneOf(["CoilRegister", "DiscreteInputRegister", "InputRegister", "HoldingRegister"], "Kind of register."),
    offset: int64("First register."),
    limit: int64("Number of registers."),
    scale: decimal("Factor of the raw value."),
    isSwap: bool("Whether bytes are swapped."),
    isRegisterSwap: bool("Whether registers are swapped."),
  }),
  bluetooth: fields({
    characteristicUUID: text("Id of the characteristic."),
    dataWrite: Type.Unsafe<Record<string, string>>({
      type: "object",
      additionalProperties: { type: "string", format: "byte" },
      description: "Bytes by value, base64.",
    }),
    dataConverter: fields({
      startIndex: int("First byte."),
      endIndex: int("Last byte."),
      shiftLeft: int("Bits to shift left."),
      shiftRight: int("Bits to shift right."),
      orderOfOperations: list(
        fields({ operationType: text("Operation."), operationValue: decimal("Operand.") }),
        "Operations in order.",
      ),
    }),
  }),
  customizedProtocol: customized,
});

const twinProperty = strict({
  value: text("The value."),
  metadata: Type.Optional(textMap("Facts about the value.")),
});

export const DeviceSpecV1alpha2 = fields({
  deviceModelRef: fields({ name: text("A DeviceModel of the same namespace.", { default: "" }) }),
  nodeSelector,
  protocol,
  propertyVisitors: list(propertyVisitor, "How the properties are accessed."),
  data: fields({
    dataProperties: list(
      fields({ propertyName: text("Name of the property."), metadata: textMap("Facts about it.") }),
      "Time series.",
    ),
    dataTopic: text("MQTT topic of the time series; documented default: $ke/events/device/+/data/update."),
  }),
});

export const DeviceStatusV1alpha2 = fields({
  twins: list(
    fields({ propertyName: text("Name of the property."), desired: twinProperty, reported: twinProperty }),
    "Wanted and reported values.",
  ),
});
