import { mkdir, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type DescMessage, type DescService, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";

/** A call's answer. @throws what the caller shall be told. */
export type Answer = (request: never) => Message | Promise<Message>;

/** A call's answers, until `signal` aborts: the caller has gone. */
export type AnswerStream = (push: (message: Message) => void, signal: AbortSignal) => void;

/** gRPC services on a unix socket: the plugin's side, by another implementation than ours. */
export class TestGrpcServer implements AsyncDisposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param answers by method, as generated code spells it. */
  static async listen(
    socketPath: string,
    services: readonly {
      readonly service: DescService;
      readonly answers: Readonly<Record<string, Answer>>;
      /** Of methods that answer more than once. */
      readonly streams?: Readonly<Record<string, AnswerStream>>;
    }[],
  ): Promise<TestGrpcServer> {
    await mkdir(dirname(socketPath), { recursive: true });
    await rm(socketPath, { force: true });
    const server = new Server();
    for (const { service, answers, streams } of services)
      server.addService(definitionOf(service), { ...handlers(service, answers), ...streamHandlers(streams) });
    const bound = Promise.withResolvers<void>();
    server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? bound.resolve() : bound.reject(error),
    );
    await bound.promise;
    return new TestGrpcServer(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }
}

function codec(message: DescMessage) {
  return {
    serialize: (value: Message) => Buffer.from(toBinary(message, value)),
    deserialize: (bytes: Buffer) => fromBinary(message, bytes),
  };
}

function definitionOf({ typeName, methods }: DescService): ServiceDefinition {
  return Object.fromEntries(
    methods.map(({ localName, name, input, output, methodKind }) => {
      const [request, response] = [codec(input), codec(output)];
      return [
        localName,
        {
          path: `/${typeName}/${name}`,
          requestStream: false,
          responseStream: methodKind === "server_streaming",
          requestSerialize: request.serialize,
          requestDeserialize: request.deserialize,
          responseSerialize: response.serialize,
          responseDeserialize: response.deserialize,
        },
      ];
    }),
  );
}

function handlers({ methods }: DescService, answers: Readonly<Record<string, Answer>>) {
  const all: UntypedServiceImplementation = {};
  for (const { localName } of methods) {
    const handle: handleUnaryCall<never, Message> = ({ request }, reply) => {
      const answer = answers[localName];
      if (answer === undefined) return reply({ code: status.UNIMPLEMENTED, details: `no ${localName}` });
      void (async () => {
        try {
          reply(null, await answer(request));
        } catch (error) {
          reply({ code: status.INTERNAL, details: error instanceof Error ? error.message : String(error) });
        }
      })();
    };
    all[localName] = handle as UntypedServiceImplementation[string];
  }
  return all;
}

function streamHandlers(streams: Readonly<Record<string, AnswerStream>> = {}): UntypedServiceImplementation {
  return Object.fromEntries(
    Object.entries(streams).map(([name, answer]) => {
      const handle: handleServerStreamingCall<never, Message> = (call) => {
        const life = new AbortController();
        call.on("cancelled", () => life.abort()).on("error", () => life.abort());
        answer((message) => void call.write(message), life.signal);
      };
      return [name, handle as UntypedServiceImplementation[string]];
    }),
  );
}
