import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "@kedge/kube";
import { writeDurably } from "../state-file.ts";
import { podDirectory, podsDirectory } from "../volumes/pod-directory.ts";
import { SecurityError } from "./security-error.ts";

/** Ids that one pod gets of the host's: as many as a kubelet gives. */
export const IDS_PER_POD = 65_536;
/** Below are the host's own users. */
const FIRST_ID = 65_536;
/** Beside a pod's other files, where a kubelet has it, too: who takes over goes on with the same ids. */
const FILE = "userns";

/** Which of the host's users a pod's users are: its root is nobody here. */
export interface IdMapping {
  readonly hostId: number;
  readonly containerId: number;
  readonly length: number;
}

interface Mappings {
  readonly uidMappings: readonly IdMapping[];
  readonly gidMappings: readonly IdMapping[];
}

/** Gives each pod with a user namespace of its own ids that no other pod has. */
export class UserNamespaces {
  readonly #rootDirectory: string;
  readonly #podsMax: number;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(rootDirectory: string, podsMax: number) {
    this.#rootDirectory = rootDirectory;
    this.#podsMax = podsMax;
  }

  /** The pod's ids, which stay the same for as long as its directory is there. @throws SecurityError when none are left. */
  of({ metadata }: Pod): Promise<readonly IdMapping[]> {
    const turn = this.#tail.then(() => this.#take(metadata?.uid ?? ""));
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  async #take(uid: string): Promise<readonly IdMapping[]> {
    const directory = podDirectory(this.#rootDirectory, uid);
    const known = await this.#read(uid);
    if (known !== undefined) return known;
    const uids = await readdir(podsDirectory(this.#rootDirectory)).catch(() => []);
    const taken = new Set<number>();
    for (const other of uids) for (const { hostId } of (await this.#read(other)) ?? []) taken.add(hostId);
    for (let index = 0; index < this.#podsMax; index += 1) {
      const hostId = FIRST_ID + index * IDS_PER_POD;
      if (taken.has(hostId)) continue;
      const mapping = [{ hostId, containerId: 0, length: IDS_PER_POD }];
      await mkdir(directory, { recursive: true, mode: 0o750 });
      const record: Mappings = { uidMappings: mapping, gidMappings: mapping };
      await writeDurably(join(directory, FILE), JSON.stringify(record));
      return mapping;
    }
    throw new SecurityError(`all user ids for user namespaces of ${this.#podsMax} pods are taken`);
  }

  async #read(uid: string): Promise<readonly IdMapping[] | undefined> {
    try {
      const path = join(podDirectory(this.#rootDirectory, uid), FILE);
      const { uidMappings } = JSON.parse(await readFile(path, "utf8")) as Mappings;
      return uidMappings.every(({ hostId }) => Number.isInteger(hostId)) ? uidMappings : undefined;
    } catch {
      return undefined; // none, or one that a power cut left half: nothing runs with it then
    }
  }
}
