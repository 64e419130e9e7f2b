import { CONFIG_MAPS, type ConfigMap, SECRETS, type Secret } from "@kedge/kube";
import type { Given } from "../pod-case.ts";

export function configMap(name: string, data: Record<string, string>, rest: Partial<ConfigMap> = {}): Given {
  return { type: CONFIG_MAPS, object: { metadata: { name }, data, ...rest } as ConfigMap };
}

export function secret(name: string, stringData: Record<string, string>, rest: Partial<Secret> = {}): Given {
  return { type: SECRETS, object: { metadata: { name }, stringData, ...rest } as Secret };
}
