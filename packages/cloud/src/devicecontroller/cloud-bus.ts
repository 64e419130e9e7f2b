import type { MessageBus } from "@kedge/runtime";
import type { CloudMessages, CloudNotices } from "../cloud-messages.ts";

export type CloudBus = MessageBus<CloudMessages, CloudNotices>;
