import type { ReportedTwin, ReportedValue, TwinVersion } from "./read-report.ts";
import type { ReportedVersions } from "./reported-versions.ts";

type Side = "reported" | "observedDesired";

/**
 * Keeps older values from coming after newer ones: on each side of a property, versions only grow. They start anew with the
 * node's session, and when the Device changes: then the edge may have started anew, too.
 */
export class NewestTwins {
  readonly #versions = new Map<string, Map<string, TwinVersion>>();

  /** @returns what of the report is news. */
  filter(device: string, twins: ReadonlyMap<string, ReportedTwin>): ReadonlyMap<string, ReportedTwin> {
    const versions = this.#versions.get(device) ?? new Map<string, TwinVersion>();
    this.#versions.set(device, versions);
    const news = new Map<string, ReportedTwin>();
    for (const [name, twin] of twins) {
      if (twin === "deleted") {
        news.set(name, twin);
        for (const which of ["reported", "observedDesired"]) versions.delete(`${which}/${name}`); // it may come anew
        continue;
      }
      const side = (which: Side) => (isNews(versions, `${which}/${name}`, twin[which]) ? twin[which] : undefined);
      const [reported, observedDesired] = [side("reported"), side("observedDesired")];
      if (reported !== undefined || observedDesired !== undefined) news.set(name, { reported, observedDesired });
    }
    return news;
  }

  /** What is known of a device's versions. */
  versions(device: string): ReportedVersions {
    return this.#versions.get(device) ?? new Map<string, TwinVersion>();
  }

  /** What is known from elsewhere, if we know nothing ourselves. */
  learn(device: string, versions: ReportedVersions): void {
    if (!this.#versions.has(device)) this.#versions.set(device, new Map(versions));
  }

  forget(device: string): void {
    this.#versions.delete(device);
  }
}

/** The same version again may carry a part that an earlier message left out. */
function isNews(versions: Map<string, TwinVersion>, key: string, value: ReportedValue | undefined): boolean {
  if (value?.version === undefined) return true;
  const last = versions.get(key);
  if (last !== undefined && (value.version.edge < last.edge || value.version.cloud < last.cloud)) return false;
  versions.set(key, value.version);
  return true;
}
