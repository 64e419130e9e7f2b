import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { KubeObject } from "@kedge/kube";
import { toError } from "@kedge/runtime";
import { parseAllDocuments, stringify } from "yaml";
import { checkout } from "../host/agent.ts";
import { KeadmError } from "../keadm-error.ts";

const FILE_BYTES_MAX = 4 * 1024 * 1024;

/** The CRDs of this release. */
export function crdObjects(): KubeObject[] {
  const folder = join(checkout, "manifests/crds");
  const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));
  return files.toSorted().flatMap((file) => readObjects(join(folder, file)));
}

/** The objects of a YAML or JSON file. @throws KeadmError `BadInput` */
export function readObjects(file: string): KubeObject[] {
  try {
    const text = readFileSync(file, "utf8");
    if (text.length > FILE_BYTES_MAX) throw new Error(`it is larger than ${FILE_BYTES_MAX} bytes`);
    return parseAllDocuments(text).flatMap((document) => {
      const [error] = document.errors;
      if (error !== undefined) throw error;
      const object = document.toJS({ maxAliasCount: 100 }) as KubeObject | null;
      if (object === null) return [];
      if (object.apiVersion === undefined || object.kind === undefined || object.metadata?.name === undefined)
        throw new Error("it holds something that is no Kubernetes object");
      return [object];
    });
  } catch (error) {
    throw new KeadmError("BadInput", file, `${file} cannot be applied: ${toError(error).message}`, { cause: error });
  }
}

/** As kubectl reads it. */
export function renderObjects(objects: readonly KubeObject[]): string {
  return objects.map((object) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false })).join("---\n");
}
