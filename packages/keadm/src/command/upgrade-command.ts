import { upgradeCloudCommand } from "./cloud-commands.ts";
import type { CommandGroup } from "./command-group.ts";
import { upgradeEdgeCommand } from "./edge-commands.ts";

export const upgradeCommand: CommandGroup = (keadm, session) => {
  const upgrade = keadm.command("upgrade").description("change cloudcore, or edgecore, to another version");
  upgradeCloudCommand(upgrade, session);
  upgradeEdgeCommand(upgrade, session);
};
