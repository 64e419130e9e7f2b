import type { Clock, Logger } from "@kedge/runtime";
import type { Authorizer } from "../auth/rbac-authorizer.ts";
import type { ServiceAccountTokens } from "../auth/service-account-tokens.ts";
import type { NodeUsages } from "../metrics/node-usage.ts";
import type { NodeConnector } from "../node-proxy/node-connector.ts";
import type { OpenApiPublisher } from "../openapi/openapi-publisher.ts";
import type { ResourceRegistry } from "../registry/resource-registry.ts";
import type { RevisionLog } from "../storage/revision-log.ts";
import type { WatchHub } from "../watch/watch-hub.ts";

/** What every handler may need. */
export interface ApiContext {
  readonly log: RevisionLog;
  readonly hub: WatchHub;
  readonly registry: ResourceRegistry;
  readonly openApi: OpenApiPublisher;
  readonly authorizer: Authorizer;
  readonly tokens: ServiceAccountTokens;
  readonly nodes: NodeConnector;
  readonly usages: NodeUsages;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of Services: `10.96.0.0/16`. */
  readonly serviceCidr: string;
}
