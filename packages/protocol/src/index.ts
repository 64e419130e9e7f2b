export { type Message, type MessageHeader, type MessageRoute, newMessage, type NewMessage } from "./message.ts";
