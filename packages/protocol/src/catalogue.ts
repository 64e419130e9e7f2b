/** The words of the wire, as KubeEdge spells them. @see `cloud-edge-protocol` §4.2, §4.3 */

export const Operation = {
  insert: "insert",
  update: "update",
  patch: "patch",
  delete: "delete",
  query: "query",
  get: "get",
  upload: "upload",
  response: "response",
  error: "error",
  keepalive: "keepalive",
  publish: "publish",
  subscribe: "subscribe",
  unsubscribe: "unsubscribe",
  applicationResponse: "applicationResponse",
  prepull: "prepull",
  upgrade: "upgrade",
  updateNodeActionStatus: "UpdateNodeActionStatus",
  /** Only between our own ends. */
  digest: "digest",
} as const;

/** The operations of CSI calls; they are requests with an answer, not objects that are kept in step. */
export const VOLUME_OPERATIONS: ReadonlySet<string> = new Set([
  "createvolume",
  "deletevolume",
  "controllerpublishvolume",
  "controllerunpublishvolume",
]);

export const Source = {
  websocket: "websocket",
  edged: "edged",
  metaManager: "metamanager",
  metaServer: "metaserver",
  twin: "twin",
  bus: "bus",
  serviceBus: "servicebus",
  edgeController: "edgecontroller",
  deviceController: "devicecontroller",
  dynamicController: "dynamiccontroller",
  policyController: "policycontroller",
  taskManager: "taskmanager",
  cloudHub: "cloudhub",
  routerEventBus: "router_eventbus",
  routerServiceBus: "router_servicebus",
  nodeUpgradeJobController: "nodeupgradejobcontroller",
} as const;

export const Group = {
  resource: "resource",
  meta: "meta",
  twin: "twin",
  user: "user",
  func: "func",
  hub: "hub",
  taskManager: "taskmanager",
} as const;

/** Content of an acknowledgement, and of an answer that only says yes. */
export const OK = "OK";

/** Request headers that open the channel; values are matched in any case. */
export const ChannelHeader = { nodeId: "node_id", projectId: "project_id", connectionUse: "ConnectionUse" } as const;

/** The one value of {@link ChannelHeader.connectionUse} that carries messages. */
export const CONNECTION_USE_MESSAGES = "msg";

export const DEFAULT_PROJECT_ID = "e632aba927ea4ac2b575ec1603d56f10";

/** The user name, and the certificate's common name, of an edge node. */
export function nodeUserName(node: string): string {
  return `system:node:${node}`;
}

/** The organization in a node's certificate. */
export const NODES_GROUP = "system:nodes";
