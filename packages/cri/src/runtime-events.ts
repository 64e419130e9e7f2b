import { fromBinary } from "@bufbuild/protobuf";
import {
  Events,
  TaskDeleteSchema,
  TaskOomSchema,
  TaskStartSchema,
} from "./generated/containerd/events/v1/events_pb.js";
import { ContainerEventType, RuntimeService as Rpc } from "./generated/runtime/v1/api_pb.js";
import type { GrpcChannel } from "./grpc-channel.ts";

/**
 * Something happened to a container, or to a sandbox (whose id then is `containerId`): worth asking again. The runtime's
 * answer may lag some ms behind.
 */
export interface RuntimeEvent {
  readonly containerId: string;
  readonly kind: "started" | "exited" | "oom" | "deleted";
}

/**
 * Of namespace `k8s.io`, where containerd's CRI plugin keeps all. An end is told by `/tasks/delete`: the plugin deletes
 * the task on `/tasks/exit`, and only then says that the container has exited.
 */
const FILTERS = ["start", "delete", "oom"].map((event) => `namespace==k8s.io,topic=="/tasks/${event}"`);

/**
 * containerd's own stream of events, which every containerd has, on the same socket.
 *
 * @throws {CriError} `Unimplemented` if this runtime is not containerd; others when the stream breaks.
 */
export async function* containerdEvents(channel: GrpcChannel, signal: AbortSignal): AsyncGenerator<RuntimeEvent, void> {
  const stream = channel.callServerStream(Events.method.subscribe, { filters: FILTERS }, signal);
  for await (const { topic, event } of stream) {
    if (event === undefined) continue;
    if (topic === "/tasks/start") {
      yield { containerId: fromBinary(TaskStartSchema, event.value).containerId, kind: "started" };
    } else if (topic === "/tasks/oom") {
      yield { containerId: fromBinary(TaskOomSchema, event.value).containerId, kind: "oom" };
    } else if (topic === "/tasks/delete") {
      const { containerId, id } = fromBinary(TaskDeleteSchema, event.value);
      if (id === containerId || id === "") yield { containerId, kind: "exited" }; // others: an exec in it ended
    }
  }
}

const KINDS: Record<ContainerEventType, RuntimeEvent["kind"] | undefined> = {
  [ContainerEventType.CONTAINER_CREATED_EVENT]: undefined,
  [ContainerEventType.CONTAINER_STARTED_EVENT]: "started",
  [ContainerEventType.CONTAINER_STOPPED_EVENT]: "exited",
  [ContainerEventType.CONTAINER_DELETED_EVENT]: "deleted",
};

/** The CRI's stream of events, for runtimes other than containerd. @throws {CriError} `Unimplemented` in old ones. */
export async function* criEvents(channel: GrpcChannel, signal: AbortSignal): AsyncGenerator<RuntimeEvent, void> {
  for await (const event of channel.callServerStream(Rpc.method.getContainerEvents, {}, signal)) {
    const kind = KINDS[event.containerEventType];
    if (kind !== undefined) yield { containerId: event.containerId, kind };
  }
}
