export { programCommand } from "./programs.ts";
export { type StatePaths, statePaths } from "./state-paths.ts";
export { removeCgroups } from "./node/remove-cgroups.ts";
