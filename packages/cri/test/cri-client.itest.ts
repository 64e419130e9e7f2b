import assert from "node:assert/strict";
import { test } from "node:test";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { CriClient, CriError, isNotFound } from "@kedge/cri";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A gRPC server on a unix socket that knows no call at all: as a runtime looks that is not containerd. */
async function strangeRuntime(scope: AsyncDisposableStack): Promise<string> {
  const root = scope.adopt(await mkdtemp(join(tmpdir(), "kedge-cri-")), (path) => rm(path, { recursive: true }));
  const socket = `unix://${join(root, "s.sock")}`;
  const server = scope.adopt(new Server(), (started) => started.forceShutdown());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.bindAsync(socket, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error)));
  await promise;
  return socket;
}

const options = { timeout: 20_000 };

test("what the runtime does not know is a CriError with its gRPC code", options, async () => {
  await using scope = new AsyncDisposableStack();
  const client = scope.use(new CriClient({ runtimeEndpoint: await strangeRuntime(scope) }));
  const error = await client.runtime.version(AbortSignal.timeout(5_000)).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof CriError);
  assert.deepEqual([error.code, error.details.call, error.retryable], ["Unimplemented", "Version", false]);
  assert.equal(isNotFound(error), false);
});

test("a runtime without events says so, so that it is polled", options, async () => {
  await using scope = new AsyncDisposableStack();
  const client = scope.use(new CriClient({ runtimeEndpoint: await strangeRuntime(scope) }));
  await assert.rejects(client.events(AbortSignal.timeout(5_000)).next(), { code: "Unimplemented" });
});

test("a call to nobody ends with its deadline, or with its signal", options, async () => {
  await using scope = new AsyncDisposableStack();
  const client = scope.use(new CriClient({ runtimeEndpoint: "unix:///nowhere/c.sock", timeoutMs: 100 }));
  await assert.rejects(client.runtime.version(new AbortController().signal), { code: "DeadlineExceeded" });
  const life = new AbortController();
  const call = client.images.pullImage({ image: "i" }, life.signal);
  life.abort(new Error("stopped"));
  await assert.rejects(call, /stopped/);
  // A time limit of the caller's is no other than ours: who did not answer is said.
  const late = client.runtime.version(AbortSignal.timeout(50));
  await assert.rejects(late, { code: "DeadlineExceeded", message: /\/nowhere\/c\.sock: connect ENOENT/ });
});
