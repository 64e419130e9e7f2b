export {
  type CloudCore,
  type CloudCoreDeps,
  CloudCoreError,
  CLOUDCORE_SUPPORTED,
  startCloudCore,
} from "./cloudcore.ts";
