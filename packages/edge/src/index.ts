export type { EdgeBus, EdgeMessages, EdgeNotices } from "./edge-messages.ts";
export { type EdgeCoreDeps, startEdgeCore, SUPPORTED_SWITCHES } from "./edgecore.ts";
