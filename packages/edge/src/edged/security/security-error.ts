import { ContainerConfigError } from "../env/container-config-error.ts";

/** The container may not run as it is: shown as `CreateContainerConfigError`, like any other bad configuration. */
export class SecurityError extends ContainerConfigError {}
