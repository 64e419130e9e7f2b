export {
  type CloudCore,
  type CloudCoreDeps,
  CloudCoreError,
  CLOUDCORE_SUPPORTED,
  startCloudCore,
} from "./cloudcore.ts";
export { isNodeName } from "./cloudhub/node-name.ts";
export type { TokenRecord } from "./cloudhub/pki/token-record.ts";
export { TokenStore } from "./cloudhub/pki/token-store.ts";
