import type { Volume } from "@kedge/kube";
import type { PodTemplate } from "../pod-case.ts";
import { lasting, once } from "../pods.ts";

/** Where the pods below have their volume `v`. */
export const V = [{ name: "v", mountPath: "/v" }];

/** A pod that runs `script` to its end, with the volume at `/v`. */
export function reads(script: string, volume: Omit<Volume, "name">, mount: object = {}): PodTemplate {
  return once({ script, ...mountedAs(mount) }, { volumes: [{ name: "v", ...volume }] });
}

/** A pod that runs until it is deleted, with the volume at `/v`. */
export function serves(volume: Omit<Volume, "name">, mount: object = {}): PodTemplate {
  return lasting(mountedAs(mount), { volumes: [{ name: "v", ...volume }] });
}

function mountedAs(mount: object) {
  return { volumeMounts: V.map((each) => ({ ...each, ...mount })) };
}
