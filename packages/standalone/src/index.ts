export { programCommand } from "./programs.ts";
