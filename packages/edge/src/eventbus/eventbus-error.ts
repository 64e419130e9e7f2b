import { CodedError } from "@kedge/runtime";

export class EventBusError extends CodedError<
  | { readonly code: "BadBrokerUrl"; readonly key: string; readonly url: string }
  | { readonly code: "TlsFileUnreadable"; readonly key: string; readonly path: string }
  | { readonly code: "CannotListen"; readonly url: string }
  | { readonly code: "BadTopic"; readonly topic: string }
  | { readonly code: "TooManyTopics"; readonly topicsMax: number }
> {}
