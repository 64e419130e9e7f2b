import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { hasCode } from "@kedge/runtime";
import type { CustomResourceDefinition, ResourceType } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { parse } from "yaml";
import { waitUntil } from "../wait-until.ts";

const CRDS: ResourceType<CustomResourceDefinition> = {
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  resource: "customresourcedefinitions",
  namespaced: false,
};
const ESTABLISHED_TIMEOUT_MS = 15_000;
const folder = join(import.meta.dirname, "../../../../manifests/crds");

/** Creates or updates every CRD of `manifests/crds/` and waits until the API serves them. */
export async function applyCrds(kube: KubeClient, signal: AbortSignal): Promise<void> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".yaml"));
  const crds = await Promise.all(
    files.map(async (file) => parse(await readFile(join(folder, file), "utf8")) as CustomResourceDefinition),
  );
  for (const crd of crds) await apply(kube, crd, signal);
  for (const crd of crds) await established(kube, crd.metadata?.name ?? "", signal);
}

async function apply(kube: KubeClient, crd: CustomResourceDefinition, signal: AbortSignal): Promise<void> {
  try {
    await kube.create(CRDS, crd, signal);
  } catch (error) {
    if (!hasCode(error, "AlreadyExists")) throw error;
    const key = { name: crd.metadata?.name ?? "" };
    await kube.patch(CRDS, key, { type: "merge", body: { spec: crd.spec } }, signal);
  }
}

async function established(kube: KubeClient, name: string, signal: AbortSignal): Promise<void> {
  await waitUntil(
    `CustomResourceDefinition ${name} being served`,
    async () => {
      const { status } = await kube.get(CRDS, { name }, signal);
      const served = status?.conditions?.some(({ type, status: state }) => type === "Established" && state === "True");
      return served === true ? true : undefined;
    },
    () => "the API server has not established it",
    ESTABLISHED_TIMEOUT_MS,
    signal,
  );
}
