import { isJsonObject, type JsonObject } from "@kedge/kube";
import { badRequest } from "./status-error.ts";

const TEXTS: ReadonlySet<string> = new Set([
  "user",
  "uid",
  "token",
  "namespace",
  "verb",
  "group",
  "version",
  "resource",
  "subresource",
  "name",
  "path",
]);
const LISTS: ReadonlySet<string> = new Set(["groups", "audiences"]);
const OBJECTS: ReadonlySet<string> = new Set(["resourceAttributes", "nonResourceAttributes"]);

/** Sees to it that what a review's spec says is of the right type; `null` counts as absent. @throws KubeApiError `BadRequest` */
export function checkReviewSpec(spec: JsonObject, path = "spec"): void {
  for (const [name, value] of Object.entries(spec)) {
    const at = `${path}.${name}`;
    if (value === null) delete spec[name];
    else if (TEXTS.has(name) && typeof value !== "string") throw badRequest(`${at} must be a text`);
    else if (LISTS.has(name) && !(Array.isArray(value) && value.every((item) => typeof item === "string")))
      throw badRequest(`${at} must be a list of texts`);
    else if (OBJECTS.has(name)) {
      if (!isJsonObject(value)) throw badRequest(`${at} must be an object`);
      checkReviewSpec(value, at);
    }
  }
}
