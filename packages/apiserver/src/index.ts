export { ApiServer, type ApiServerConfig, type ApiServerDeps, startApiServer } from "./apiserver.ts";
export { startControllers } from "./controllers/start-controllers.ts";
