import { KeadmError } from "../keadm-error.ts";
import type { CommandGroup } from "./command-group.ts";

interface Absent {
  readonly name: string;
  readonly description: string;
  /** What is missing, and what to do in its place. */
  readonly why: string;
}

const CTL_WHY =
  "it works through the edge's MetaServer, which is not built yet: use kubectl where it works, and on the node keadm debug get";

/** Commands of KubeEdge that are not there yet. Each says so, and what to do in its place. */
const ABSENT: readonly Absent[] = [
  { name: "ctl", description: "not there yet: pods and devices of this node, offline", why: CTL_WHY },
  {
    name: "batch",
    description: "not there yet: keadm on many hosts over SSH",
    why: "it is not built yet: run keadm join over ssh yourself, for instance with xargs or Ansible; join may be given again and again",
  },
  {
    name: "deprecated",
    description: "not there: KubeEdge's installers from before 1.10",
    why: "it downloads binaries of KubeEdge, which Kedge does not need: use keadm init, keadm join and keadm reset",
  },
  { name: "beta", description: "empty, as in KubeEdge", why: "it has no commands" },
];

export const absentCommands: CommandGroup = (keadm) => {
  for (const { name, description, why } of ABSENT)
    keadm
      .command(name)
      .description(description)
      .argument("[words...]")
      .allowUnknownOption()
      .helpOption(false)
      .action(() => {
        throw new KeadmError("NotSupported", name, `keadm ${name} is not supported: ${why}`);
      });
};
