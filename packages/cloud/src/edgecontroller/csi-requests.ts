import {
  CSI_DRIVERS,
  CSI_NODES,
  type CSINode,
  type CSINodeDriver,
  KubeApiError,
  NODES,
  RUNTIME_CLASSES,
} from "@kedge/kube";
import { isDeepStrictEqual } from "node:util";
import {
  badRequest,
  forbidden,
  objectContent,
  type UpstreamHandler,
  type UpstreamRequest,
  withoutManagedFields,
} from "./upstream-request.ts";

/** What edges of ours ask besides; stock ones never do. */

export const queryCsiDriver: UpstreamHandler = {
  may: "read any CSIDriver, as every node may",
  answer: "bare",
  async run({ key }, { kube }, signal) {
    return withoutManagedFields(await kube.get(CSI_DRIVERS, { name: key.name }, signal));
  },
};

export const queryRuntimeClass: UpstreamHandler = {
  may: "read any RuntimeClass, as every node may",
  answer: "bare",
  async run({ key }, { kube }, signal) {
    return withoutManagedFields(await kube.get(RUNTIME_CLASSES, { name: key.name }, signal));
  },
};

/** Of one node; each is a plugin that runs on it. */
const DRIVERS_MAX = 64;
const NAME_CHARS_MAX = 63;

export const publishCsiNode: UpstreamHandler = {
  may: "make its own CSINode list the CSI drivers that run on it",
  answer: "object",
  async run(request, { kube }, signal) {
    const { node, key } = request;
    if (key.name !== node) throw forbidden(`node ${node} may not write the CSINode of ${key.name}`);
    const told = driversIn(request);
    for (;;) {
      try {
        const present = await kube.get(CSI_NODES, { name: node }, signal).catch(absent);
        // Some drivers of the node are still starting: those that are listed stay.
        const others = request.operation === "insert" ? listedIn(present) : [];
        const drivers = [...others.filter(({ name }) => !told.some((one) => one.name === name)), ...told];
        if (present === undefined) {
          const { uid = "" } = (await kube.get(NODES, { name: node }, signal)).metadata ?? {};
          // So that it goes when the node goes.
          const ownerReferences = [{ apiVersion: "v1", kind: "Node", name: node, uid }];
          const csiNode: CSINode = { metadata: { name: node, ownerReferences }, spec: { drivers } };
          return withoutManagedFields(await kube.create(CSI_NODES, csiNode, signal));
        }
        if (isDeepStrictEqual(listedIn(present), drivers)) return withoutManagedFields(present);
        // What is listed cannot be changed, only taken away and listed anew.
        const kept = listedIn(present).filter((one) => drivers.some((other) => isDeepStrictEqual(one, other)));
        let { metadata = {} } = present;
        if (kept.length < listedIn(present).length)
          ({ metadata = {} } = await kube.update(CSI_NODES, { metadata, spec: { drivers: kept } }, signal));
        return withoutManagedFields(await kube.update(CSI_NODES, { metadata, spec: { drivers } }, signal));
      } catch (error) {
        // Somebody else made or changed it meanwhile.
        if (!(error instanceof KubeApiError && (error.code === "Conflict" || error.code === "AlreadyExists")))
          throw error;
      }
    }
  },
};

/** The API server leaves out what is empty, or says `null`. */
function listedIn(csiNode: CSINode | undefined): CSINodeDriver[] {
  const drivers = (csiNode?.spec.drivers ?? []) as readonly CSINodeDriver[];
  return drivers.map(({ name, nodeID, topologyKeys, allocatable }) => ({
    name,
    nodeID,
    topologyKeys: topologyKeys ?? [],
    ...(allocatable !== undefined && allocatable !== null && { allocatable }),
  }));
}

function driversIn(request: UpstreamRequest): CSINodeDriver[] {
  const { spec } = objectContent<CSINode>(request);
  const drivers: unknown = spec?.drivers;
  if (!Array.isArray(drivers) || drivers.length > DRIVERS_MAX)
    throw badRequest(`spec.drivers must be a list of at most ${DRIVERS_MAX} drivers`);
  return drivers.map((driver: Partial<CSINodeDriver> | null) => {
    const { name, nodeID, topologyKeys = [], allocatable } = driver ?? {};
    if (typeof name !== "string" || name === "" || name.length > NAME_CHARS_MAX || typeof nodeID !== "string")
      throw badRequest("each driver must have a name and a nodeID");
    return { name, nodeID, topologyKeys, ...(allocatable !== undefined && { allocatable }) };
  });
}

function absent(error: unknown): undefined {
  if (error instanceof KubeApiError && error.code === "NotFound") return undefined;
  throw error;
}
