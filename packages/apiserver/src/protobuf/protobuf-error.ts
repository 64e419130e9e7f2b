import { CodedError } from "@kedge/runtime";

/** A protobuf body that cannot be read. `UnknownKind`: send it as JSON. */
export class ProtobufError extends CodedError<{ readonly code: "Malformed" | "UnknownKind" }> {
  constructor(code: "Malformed" | "UnknownKind", message: string, options?: ErrorOptions) {
    super(message, { code }, options);
  }
}
