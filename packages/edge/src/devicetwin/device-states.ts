import type { Clock } from "@kedge/runtime";
import type { GroupCommit } from "@kedge/sqlite";
import type { CloudReports } from "./cloud-reports.ts";
import type { DeviceRepository } from "./device-repository.ts";
import { STATE_PROPERTY } from "./pending-repository.ts";
import { statePayload } from "./report-messages.ts";
import { integerMember, readObject, stringMember } from "./read-json.ts";
import type { TwinPublisher } from "./twin-publisher.ts";

const STATES = new Set(["online", "offline", "ok", "unknown", "unhealthy"]);
const ONLINE = new Set(["online", "ok"]);

export interface DeviceStatesDeps {
  readonly commits: GroupCommit;
  readonly devices: DeviceRepository;
  readonly publisher: TwinPublisher;
  readonly reports: CloudReports;
  readonly clock: Clock;
}

/** Keeps whether devices are on line. */
export class DeviceStates {
  readonly #deps: DeviceStatesDeps;

  constructor(deps: DeviceStatesDeps) {
    this.#deps = deps;
  }

  /**
   * `state/update`. When a device was last on line is remembered when it goes off line: that is when it matters.
   *
   * @throws SyntaxError, TypeError for what is no such request; nobody is answered then, as in the reference.
   */
  async update(device: string, payload: string): Promise<void> {
    const { commits, devices, publisher, reports, clock } = this.#deps;
    const body = readObject(JSON.parse(payload), "the payload");
    stringMember(body, "event_id");
    integerMember(body, "timestamp");
    const state = stringMember(body, "state") ?? "";
    if (!STATES.has(state.toLowerCase()))
      throw new TypeError(`state is not one of ${[...STATES].join(", ")}, but ${JSON.stringify(state.slice(0, 80))}`);
    const outcome = await commits.write(() => {
      const stored = devices.get(device);
      if (stored === undefined) return undefined;
      const lastOnline = ONLINE.has(state.toLowerCase()) ? rfc3339(clock.now()) : stored.lastOnline;
      const updated = { ...stored, state, lastOnline };
      devices.put(updated);
      return { updated, note: reports.note(device, [STATE_PROPERTY]) };
    });
    if (outcome === undefined) throw new TypeError(`device ${device} does not exist on this node`);
    const message = statePayload(outcome.updated, clock.now());
    publisher.device(device, "state/update/result", undefined, message);
    reports.sendState(outcome.note, message);
  }
}

/** UTC, to the second. */
function rfc3339(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
