import type { ReportedTwin, ReportedValue, TwinVersion } from "./read-report.ts";
import type { ReportedVersions } from "./reported-versions.ts";

const NONE: ReportedVersions = new Map<string, TwinVersion>();

type Side = "reported" | "observedDesired";

/**
 * Keeps older values from coming after newer ones: on each side of a property, versions only grow. They start anew with the
 * node's session, and when the Device changes: then the edge may have started anew, too.
 */
export class NewestTwins {
  readonly #versions = new Map<string, Map<string, TwinVersion>>();

  /**
   * @param earlier what was stored before the node's session; for a report that may be a repetition.
   * @returns what of the report is news.
   */
  filter(
    device: string,
    twins: ReadonlyMap<string, ReportedTwin>,
    earlier: ReportedVersions = NONE,
  ): ReadonlyMap<string, ReportedTwin> {
    const versions = this.#versions.get(device) ?? new Map<string, TwinVersion>();
    this.#versions.set(device, versions);
    const news = new Map<string, ReportedTwin>();
    for (const [name, twin] of twins) {
      if (twin === "deleted") {
        news.set(name, twin);
        for (const which of ["reported", "observedDesired"]) versions.delete(`${which}/${name}`); // it may come anew
        continue;
      }
      const side = (which: Side) => {
        const property = `${which}/${name}`;
        const last = versions.get(property) ?? earlier.get(property);
        if (!isNews(last, twin[which])) return undefined;
        if (twin[which]?.version !== undefined) versions.set(property, twin[which].version);
        return twin[which];
      };
      const [reported, observedDesired] = [side("reported"), side("observedDesired")];
      if (reported !== undefined || observedDesired !== undefined) news.set(name, { reported, observedDesired });
    }
    return news;
  }

  /** What is known of a device's versions, since the session began. */
  versions(device: string): ReportedVersions {
    return this.#versions.get(device) ?? NONE;
  }

  forget(device: string): void {
    this.#versions.delete(device);
  }
}

/** The same version again may carry a part that an earlier message left out. */
function isNews(last: TwinVersion | undefined, value: ReportedValue | undefined): boolean {
  if (value?.version === undefined || last === undefined) return true;
  return value.version.edge >= last.edge && value.version.cloud >= last.cloud;
}
