import { CodedError } from "@kedge/runtime";

/**
 * A pod cannot have the devices that it asks for. `DeviceUnavailable`: not now; a plugin that comes, or a pod that goes, may
 * change that. `BadPlugin`: what a plugin says of itself cannot be.
 */
export class DeviceError extends CodedError<{ readonly code: "DeviceUnavailable" | "BadPlugin" }> {
  override readonly retryable: boolean = this.details.code === "DeviceUnavailable";

  static unavailable(message: string): DeviceError {
    return new DeviceError(message, { code: "DeviceUnavailable" });
  }
}
