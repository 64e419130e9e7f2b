import { CodedError, type ErrorDetails } from "@kedge/runtime";

/** A cgroup could not be made, changed or removed. `CgroupBusy`: processes still run in it. */
export class CgroupError extends CodedError<
  ErrorDetails & { readonly code: "CgroupUnavailable" | "CgroupBusy" | "CgroupNotSupported"; readonly path: string }
> {
  override readonly retryable: boolean = this.details.code === "CgroupBusy";
}
