import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials } from "@grpc/grpc-js";
import { EmptySchema, RegisterRequestSchema } from "./generated/deviceplugin/v1beta1/api_pb.js";
import { deviceRegistration } from "./device-services.ts";
import { GrpcServer } from "./grpc-server.ts";

const REGISTER = "/v1beta1.Registration/Register";

async function withServer(work: (socket: string, resources: string[], loads: () => number) => Promise<void>) {
  const directory = mkdtempSync(join(tmpdir(), "kedge-grpc-"));
  const resources: string[] = [];
  let loads = 0;
  const socket = join(directory, "kubelet.sock");
  try {
    await using _ = await GrpcServer.listen(socket, async () => {
      loads += 1;
      return deviceRegistration(async ({ resourceName }) => {
        if (resourceName === "bad") throw new Error("no such thing: ünwanted");
        resources.push(resourceName);
      });
    });
    await work(socket, resources, () => loads);
  } finally {
    rmSync(directory, { recursive: true });
  }
  assert.equal(existsSync(socket), false);
}

/** The peer is gRPC's own client, which knows nothing of ours. */
function register(client: Client, resourceName: string, path = REGISTER): Promise<void> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      (message: { resourceName: string }) =>
        Buffer.from(toBinary(RegisterRequestSchema, create(RegisterRequestSchema, message))),
      (bytes) => fromBinary(EmptySchema, bytes),
      { resourceName },
      (error) => (error === null ? resolve() : reject(error)),
    );
  });
}

test("answers gRPC's own client, and loads what it needs only then", { timeout: 10_000 }, async () => {
  await withServer(async (socket, resources, loads) => {
    assert.equal(loads(), 0);
    const client = new Client(`unix://${socket}`, credentials.createInsecure());
    try {
      await Promise.all([register(client, "example.com/a"), register(client, "example.com/b")]);
      assert.deepEqual(resources.sort(), ["example.com/a", "example.com/b"]);
      await assert.rejects(register(client, "bad"), { code: 2, details: "no such thing: ünwanted" });
      await assert.rejects(register(client, "x", "/v1beta1.Registration/Other"), { code: 12 });
      await register(client, "example.com/c");
    } finally {
      client.close();
    }
  });
});

test("bad input ends that connection alone", { timeout: 10_000 }, async () => {
  await withServer(async (socket, resources) => {
    const rude = connect(socket)
      .on("error", () => undefined)
      .resume();
    await once(rude, "connect");
    rude.write("GET / HTTP/1.1\r\n\r\n");
    await once(rude, "close");
    const client = new Client(`unix://${socket}`, credentials.createInsecure());
    try {
      await assert.rejects(
        new Promise((resolve, reject) => {
          client.makeUnaryRequest(
            REGISTER,
            () => Buffer.from([0xff, 0xff, 0xff]),
            (bytes) => bytes,
            {},
            (error) => (error === null ? resolve(undefined) : reject(error)),
          );
        }),
        { code: 2 },
      );
      await register(client, "example.com/a");
      assert.deepEqual(resources, ["example.com/a"]);
    } finally {
      client.close();
    }
  });
});

test("a path that no socket can have is refused in words", async () => {
  const path = `/tmp/${"x".repeat(200)}/kubelet.sock`;
  await assert.rejects(
    GrpcServer.listen(path, async () => []),
    /too long for a socket/,
  );
});
