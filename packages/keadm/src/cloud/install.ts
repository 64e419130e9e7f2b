import { equalJson, type JsonValue, NODES } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { type Check, mustPass } from "../checks.ts";
import { KeadmError } from "../keadm-error.ts";
import type { Session } from "../session.ts";
import { render } from "../text-output.ts";
import { applyObjects } from "./apply-objects.ts";
import { type CloudFlags, type Rendered, renderCloud } from "./cloud-flags.ts";
import { dnsPodCheck, localCloudCoreCheck, readyNodeCheck, rightsCheck, versionCheck } from "./cloud-checks.ts";
import { NAME } from "./cloudcore-rbac.ts";
import { connectCluster, KUBEEDGE_NAMESPACE } from "./connect-cluster.ts";
import { findInstalled, type Installed } from "./installed.ts";
import { renderObjects } from "./manifest-files.ts";
import { isRolledOut, waitForRollout } from "./wait-for-rollout.ts";

export interface InstallFlags extends CloudFlags {
  dryRun: boolean;
  force: boolean;
  skipPreflightChecks: boolean;
  timeout: number;
  output: string;
}

export interface UpgradeFlags extends InstallFlags {
  values: string[];
  reuseValues: boolean;
  printFinalValues: boolean;
}

/** Installs cloudcore. What failed half-way goes on with the same command (U5). */
export async function init(flags: InstallFlags, session: Session): Promise<void> {
  const { signal } = session;
  if (flags.dryRun) return session.print(renderObjects(told(renderCloud(flags), session).objects));
  await using kube = connectCluster(flags.kubeConfig);
  await check(kube, flags, session);
  const rendered = told(renderCloud(await withAddresses(flags, {}, undefined, kube, session)), session);
  const before = await findInstalled(kube, signal);
  if (before !== undefined && !equalJson(before.given as JsonValue, rendered.given as JsonValue))
    throw new KeadmError(
      "BadInput",
      NAME,
      "cloudcore is installed already, with other values: change it with keadm upgrade cloud",
    );
  if (before !== undefined && (await isRolledOut(kube, signal)))
    session.tell("  cloudcore is installed already, as it is to be");
  await roll(kube, rendered, flags, session);
}

/** Changes cloudcore to other values or another version, and with it the CRDs (FIX, U4: KubeEdge leaves them old). */
export async function upgradeCloud(flags: UpgradeFlags, session: Session): Promise<void> {
  const { signal } = session;
  await using kube = connectCluster(flags.kubeConfig);
  const before = await findInstalled(kube, signal);
  if (before === undefined)
    throw new KeadmError(
      "NotFound",
      NAME,
      `there is no cloudcore in namespace ${KUBEEDGE_NAMESPACE}: install it with keadm init`,
    );
  session.tell(
    `# cloudcore.yaml before:\n${before.yaml}\n# Values before, for --values:\n${render(before.given, "yaml")}`,
  );
  const given = { ...flags, profile: [...flags.profile, ...flags.values] };
  const base = flags.reuseValues ? before.given : {};
  const rendered = told(renderCloud(await withAddresses(given, base, before, kube, session), base), session);
  if (flags.printFinalValues) session.print(render(rendered.values, "yaml"));
  if (flags.dryRun) return session.print(renderObjects(rendered.objects));
  await check(kube, flags, session);
  await roll(kube, rendered, flags, session);
}

async function check(kube: KubeClient, flags: InstallFlags, session: Session): Promise<void> {
  if (flags.skipPreflightChecks) return;
  const checks: Check[] = [
    versionCheck(kube),
    rightsCheck(kube),
    ...(flags.force ? [] : [localCloudCoreCheck(kube)]),
    readyNodeCheck(kube),
    dnsPodCheck(kube),
  ];
  await mustPass(checks, session);
}

function told(rendered: Rendered, session: Session): Rendered {
  for (const warning of rendered.warnings) session.tell(`  ! ${warning}`);
  return rendered;
}

/**
 * Without an address nothing could be in the server's certificate that edges dial: then those from before stay, or else the
 * nodes' own are taken.
 */
async function withAddresses<F extends CloudFlags>(
  flags: F,
  base: object,
  before: Installed | undefined,
  kube: KubeClient,
  session: Session,
): Promise<F> {
  if (renderCloud(flags, base).values.cloudCore.modules.cloudHub.advertiseAddress.length > 0) return flags;
  if (before !== undefined && before.advertiseAddress.length > 0)
    return { ...flags, advertiseAddress: before.advertiseAddress.join(",") };
  const { items } = await kube.list(NODES, { limit: NODES_MAX }, session.signal);
  const addresses = items
    .filter(({ metadata }) => metadata?.labels?.["node-role.kubernetes.io/edge"] === undefined)
    .flatMap(({ status }) => status?.addresses ?? [])
    .filter(({ type }) => type === "InternalIP" || type === "ExternalIP")
    .map(({ address }) => address);
  if (addresses.length === 0)
    throw new KeadmError(
      "BadInput",
      "--advertise-address",
      "no node tells its address: give the one that edges dial with --advertise-address",
    );
  const advertiseAddress = [...new Set(addresses)].join(",");
  session.tell(`  ! no --advertise-address: edges can join at ${advertiseAddress}`);
  return { ...flags, advertiseAddress };
}

/** Of clusters with more nodes the addresses that edges dial must be told. */
const NODES_MAX = 20;

async function roll(
  kube: KubeClient,
  { objects, values }: Rendered,
  flags: InstallFlags,
  session: Session,
): Promise<void> {
  const { signal } = session;
  await session.step(`${objects.length} objects are applied`, () => applyObjects(kube, objects, signal));
  if (!flags.force)
    await session.step("cloudcore is available", () => waitForRollout(kube, flags.timeout * 1000, signal));
  const { image, modules } = values.cloudCore;
  const summary = {
    name: NAME,
    namespace: KUBEEDGE_NAMESPACE,
    status: flags.force ? "applied" : "deployed",
    image: `${image.repository}:${image.tag}`,
    advertiseAddress: modules.cloudHub.advertiseAddress,
  };
  session.tell(
    `\nNext: keadm gettoken, and on an edge host: keadm join -e ${modules.cloudHub.advertiseAddress[0] ?? "HOST"}:${modules.cloudHub.websocket.port} -t TOKEN`,
  );
  session.print(
    flags.output === "json"
      ? render(summary, "json")
      : `CLOUDCORE ${flags.force ? "applied" : "started"}\n${render(summary, "yaml")}`,
  );
}
