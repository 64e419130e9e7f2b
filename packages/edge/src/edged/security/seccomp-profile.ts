import { join } from "node:path";
import { type SecurityProfile, SecurityProfileType } from "@kedge/cri";
import type { Container, Pod } from "@kedge/kube";
import { SecurityError } from "./security-error.ts";

export interface SeccompOptions {
  /** `<rootDirectory>/seccomp`, where profiles of type Localhost live. */
  readonly profileDirectory: string;
  /** `seccompDefault`: RuntimeDefault, not Unconfined, for who names no profile. */
  readonly runtimeDefault?: boolean;
}

/** The container's own profile, else the pod's, else the node's default. @throws SecurityError */
export function seccompProfile(pod: Pod, container: Container, options: SeccompOptions): SecurityProfile {
  const profile = container.securityContext?.seccompProfile ?? pod.spec?.securityContext?.seccompProfile;
  const type = profile?.type ?? (options.runtimeDefault === true ? "RuntimeDefault" : "Unconfined");
  if (type === "RuntimeDefault") return { profileType: SecurityProfileType.RuntimeDefault };
  if (type === "Unconfined") return { profileType: SecurityProfileType.Unconfined };
  const file = profile?.localhostProfile ?? "";
  if (type !== "Localhost" || file === "")
    throw new SecurityError("localhostProfile must be set if seccompProfile type is Localhost.");
  if (file.startsWith("/") || file.split("/").includes(".."))
    throw new SecurityError(`seccomp profile ${JSON.stringify(file)} must be a path below ${options.profileDirectory}`);
  return { profileType: SecurityProfileType.Localhost, localhostRef: join(options.profileDirectory, file) };
}
