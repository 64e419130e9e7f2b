import { type CsiControllerCall, loadPluginServices } from "@kedge/cri";
import type { PersistentVolume } from "@kedge/kube";
import type { EdgeBus } from "../../edge-messages.ts";
import { VolumeError } from "../volumes/volume-error.ts";
import type { CsiDriver, CsiDrivers } from "./csi-drivers.ts";

const REQUEST_CHARS_MAX = 256 * 1024;

/**
 * Calls of a driver's controller that the cloud passes on to this node. They do not name the driver: it is the node's only
 * one, whatever its name (W-47), or the one whose volume it is about.
 *
 * @param request protobuf's JSON.
 * @returns the driver's reply, as a Go program writes it. @throws VolumeError `DriverNotReady`; CriError
 */
export async function callController(
  { operation, request }: { readonly operation: CsiControllerCall; readonly request: string },
  drivers: CsiDrivers,
  bus: EdgeBus,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<object> {
  if (request.length > REQUEST_CHARS_MAX)
    throw new VolumeError(`a CSI call of ${request.length} characters is too long`, { code: "InvalidVolume" });
  const driver = await driverFor(request, drivers, bus, signal);
  const { CsiControllerService } = await loadPluginServices();
  using service = new CsiControllerService(driver.endpoint, driver.name, timeoutMs);
  return await service.call(operation, request, signal); // not before is it disposed
}

async function driverFor(request: string, drivers: CsiDrivers, bus: EdgeBus, signal: AbortSignal): Promise<CsiDriver> {
  const { all } = drivers;
  const [only] = all;
  if (only === undefined) throw new VolumeError("no CSI driver is registered on this node", { code: "DriverNotReady" });
  if (all.length === 1) return only;
  const handle = volumeIn(request);
  const volumes = (await bus.request("meta/list", { type: "persistentvolume" }, signal)) as PersistentVolume[];
  const name = volumes.find(({ spec }) => handle !== undefined && spec?.csi?.volumeHandle === handle)?.spec?.csi
    ?.driver;
  const named = all.find((driver) => driver.name === name);
  if (named !== undefined) return named;
  const names = all.map((driver) => driver.name).join(", ");
  throw new VolumeError(`several CSI drivers run on this node (${names}), and the call does not say which it is for`, {
    code: "DriverNotReady",
  });
}

function volumeIn(request: string): string | undefined {
  try {
    const { volumeId, volume_id = volumeId } = JSON.parse(request) as { volumeId?: unknown; volume_id?: unknown };
    return typeof volume_id === "string" ? volume_id : undefined;
  } catch {
    return undefined; // the driver's call will say so
  }
}
