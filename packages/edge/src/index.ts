export type { EdgeBus, EdgeMessages, EdgeNotices } from "./edge-messages.ts";
