import type { ResourceType } from "@kedge/kube";
import type { ApiRequest } from "../http/api-exchange.ts";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import { keyPrefix, storageKey } from "../storage/object-key.ts";
import type { ResourceRequestInfo } from "./request-info.ts";

/** A request for a resource that exists, by somebody who may make it. */
export interface ResourceRequest {
  readonly http: ApiRequest;
  readonly info: ResourceRequestInfo;
  readonly definition: ResourceDefinition;
}

/** Where the object that the request names is stored. */
export function keyOfRequest({ info, definition }: ResourceRequest): string {
  return storageKey(storedAs(definition), info);
}

/** What the keys of all objects in the request's collection begin with. */
export function prefixOfRequest({ info, definition }: ResourceRequest): string {
  return keyPrefix(storedAs(definition), info.namespace);
}

/** The resource whose objects these are: events have two names, but are stored once. */
export function storedAs({ storageType, type }: ResourceDefinition): ResourceType {
  return storageType ?? type;
}
