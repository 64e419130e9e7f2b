export { keadmProgram } from "./command/keadm-program.ts";
