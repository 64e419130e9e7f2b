import type { PodTheme } from "../pod-case.ts";
import { ENVIRONMENT } from "./environment.ts";
import { FILE_VOLUMES } from "./file-volumes.ts";
import { HOOKS } from "./hooks.ts";
import { IMAGES } from "./images.ts";
import { INIT_CONTAINERS, SIDECARS } from "./init-containers.ts";
import { DNS, NETWORK } from "./network.ts";
import { PROBES } from "./probes.ts";
import { RESIZE, RESOURCES } from "./resources.ts";
import { RESTARTS } from "./restarts.ts";
import { SECURITY, USERS } from "./security.ts";
import { AGENT_RESTARTS, EPHEMERAL_CONTAINERS, STATIC_PODS } from "./sources.ts";
import { ADMISSION, DEADLINES, STATUS } from "./status.ts";
import { TERMINATION } from "./termination.ts";
import { OBJECT_VOLUMES } from "./object-volumes.ts";

export const THEMES: readonly PodTheme[] = [
  ENVIRONMENT,
  OBJECT_VOLUMES,
  FILE_VOLUMES,
  PROBES,
  HOOKS,
  INIT_CONTAINERS,
  SIDECARS,
  RESTARTS,
  TERMINATION,
  DEADLINES,
  STATUS,
  ADMISSION,
  RESOURCES,
  RESIZE,
  USERS,
  SECURITY,
  NETWORK,
  DNS,
  IMAGES,
  EPHEMERAL_CONTAINERS,
  STATIC_PODS,
  AGENT_RESTARTS,
];

/** What is enough to see that it does not depend on the control plane. */
export const CORE_THEMES: readonly PodTheme[] = THEMES.map(({ name, cases }) => ({
  name,
  cases: cases.filter(({ core }) => core === true),
}));
