import { CodedError } from "@kedge/runtime";

/**
 * A container cannot be configured as its pod says; its state becomes `waiting` with this code as the reason and this
 * message. The world may heal (somebody creates the ConfigMap), so it is tried again.
 */
export class ContainerConfigError extends CodedError<{ readonly code: "CreateContainerConfigError" }> {
  override readonly retryable: boolean = true;

  constructor(message: string, options?: ErrorOptions) {
    super(message, { code: "CreateContainerConfigError" }, options);
  }
}
