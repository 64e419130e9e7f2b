import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { NEEDED_RIGHTS } from "./needed-rights.ts";

const MANIFEST = new URL("../../../../manifests/cloudcore/10-rbac.yaml", import.meta.url);

interface Role {
  readonly kind: string;
  readonly metadata: { readonly namespace?: string };
  readonly rules?: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

test("the manifests grant what the doctor asks for, and nothing else", () => {
  const granted = parseAllDocuments(readFileSync(MANIFEST, "utf8"))
    .map((document) => document.toJS() as Role)
    .filter(({ kind }) => kind === "ClusterRole" || kind === "Role")
    .flatMap(({ metadata: { namespace = "*" }, rules = [] }) =>
      rules.flatMap(({ apiGroups, resources, verbs }) =>
        apiGroups.flatMap((group) =>
          resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource} in ${namespace}`)),
        ),
      ),
    );
  const asked = NEEDED_RIGHTS.flatMap(({ group, resource, verbs, namespace = "*" }) =>
    verbs.map((verb) => `${verb} ${group}/${resource} in ${namespace}`),
  );
  assert.deepEqual(asked.toSorted(), granted.toSorted());
});
