import { create, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Client, credentials } from "@grpc/grpc-js";
import { loadDeviceServices } from "@kedge/cri";

export interface PodResourcesAnswer {
  readonly name: string;
  readonly namespace: string;
  /** Devices as `example.com/gpu gpu-0`. */
  readonly containers: readonly {
    readonly name: string;
    readonly devices: readonly string[];
    readonly cpus: readonly number[];
  }[];
}

/** What a monitor learns over a kubelet's pod resources API, with gRPC's own client. */
export async function askPodResources(socket: string): Promise<PodResourcesAnswer[]> {
  const { PodResourcesApi } = await loadDeviceServices();
  const { list } = PodResourcesApi.method;
  const client = new Client(`unix:${socket}`, credentials.createInsecure());
  const { promise, resolve, reject } = Promise.withResolvers<MessageShape<typeof list.output>>();
  client.makeUnaryRequest(
    `/${list.parent.typeName}/${list.name}`,
    (message: MessageShape<typeof list.input>) => Buffer.from(toBinary(list.input, message)),
    (bytes) => fromBinary(list.output, bytes),
    create(list.input),
    (error, reply) => (error === null && reply !== undefined ? resolve(reply) : reject(error ?? new Error("no reply"))),
  );
  const { podResources: pods } = await promise.finally(() => client.close());
  return pods.map(({ name, namespace, containers }) => ({
    name,
    namespace,
    containers: containers.map((container) => ({
      name: container.name,
      devices: container.devices.map(({ resourceName, deviceIds }) => `${resourceName} ${deviceIds.join(",")}`),
      cpus: container.cpuIds.map(Number),
    })),
  }));
}
