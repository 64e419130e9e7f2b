import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttp, type IncomingMessage, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcp, type Socket } from "node:net";
import { pipeline, Readable } from "node:stream";
import { after, describe, test } from "node:test";
import { Server, ServerCredentials, status as Code } from "@grpc/grpc-js";
import { containerPort } from "./container-port.ts";
import { grpcProbe } from "./grpc-probe.ts";
import { httpGet, httpTarget } from "./http-get.ts";
import { httpProbe } from "./http-probe.ts";
import { tcpProbe } from "./tcp-probe.ts";

const scope = new AsyncDisposableStack();
after(() => scope.disposeAsync());
const signal = () => AbortSignal.timeout(10_000);
const HOST = "127.0.0.1";

async function serve(listener: RequestListener): Promise<number> {
  const server = createHttp(listener).listen(0, HOST);
  await once(server, "listening");
  scope.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Says something to whoever connects, or nothing. */
async function serveRaw(answer: string | undefined): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createTcp((socket) => {
    sockets.add(socket.on("error", () => undefined));
    socket.once("data", () => answer !== undefined && socket.end(answer));
  }).listen(0, HOST);
  await once(server, "listening");
  scope.defer(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Nobody listens there any more. */
async function closedPort(): Promise<number> {
  const server = createTcp().listen(0, HOST);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

const target = (port: number | string, path = "/", more = {}) =>
  httpTarget({ port, path, ...more }, { ports: [] }, HOST, "probe");

describe("HTTP probes", () => {
  const cases: [name: string, status: number, result: string, output: RegExp][] = [
    ["200 is well", 200, "success", /^body$/],
    ["399 is well, with a warning", 399, "warning", /^Probe terminated redirects, Response body: body$/],
    ["400 is not, and its body stays unsaid", 400, "failure", /^HTTP probe failed with statuscode: 400$/],
    ["503 is not", 503, "failure", /^HTTP probe failed with statuscode: 503$/],
  ];
  for (const [name, status, result, output] of cases)
    test(name, async () => {
      const port = await serve((_, response) => response.writeHead(status).end("body"));
      const outcome = await httpProbe(target(port), 1000, signal());
      assert.equal(outcome.result, result);
      assert.match(outcome.output, output);
    });

  test("asks as a kubelet does, with the headers that the user wants", async () => {
    const asked: IncomingMessage[] = [];
    const port = await serve((request, response) => {
      asked.push(request);
      response.end();
    });
    await httpProbe(target(port, "/a b?c=d#e"), 1000, signal());
    const httpHeaders = [
      { name: "X-One", value: "1" },
      { name: "x-one", value: "2" },
      { name: "Host", value: "shop.example" },
      { name: "User-Agent", value: "mine" },
      { name: "Accept", value: "" },
    ];
    await httpProbe(target(port, "healthz", { httpHeaders }), 1000, signal());
    const [plain, rich] = asked;
    assert.equal(plain?.url, "/a%20b?c=d");
    assert.deepEqual(
      [plain.headers["user-agent"], plain.headers.accept, plain.headers.host, plain.headers.connection],
      ["kube-probe/1.36", "*/*", `${HOST}:${port}`, "close"],
    );
    assert.equal(rich?.url, "/healthz");
    assert.deepEqual(
      [rich.headers["user-agent"], rich.headers.accept, rich.headers.host, rich.headers["x-one"]],
      ["mine", undefined, "shop.example", "1, 2"],
    );
  });

  test("follows redirects on the host, and not to others", async () => {
    const port = await serve((request, response) => {
      const to = { "/a": "/b", "/b": `http://${HOST}:${port}/c`, "/out": "http://192.0.2.1/", "/loop": "/loop" }[
        request.url ?? ""
      ];
      if (to === undefined) response.end("there");
      else response.writeHead(302, { location: to }).end("elsewhere");
    });
    assert.equal((await httpProbe(target(port, "/a"), 1000, signal())).output, "there");
    const out = await httpProbe(target(port, "/out"), 1000, signal());
    assert.deepEqual(out, { result: "warning", output: "Probe terminated redirects, Response body: elsewhere" });
    const loop = await httpProbe(target(port, "/loop"), 1000, signal());
    assert.match(loop.output, /stopped after 10 redirects$/);
  });

  test("reads no more than 10 KiB of an endless answer", async () => {
    const endless = function* () {
      for (;;) yield "x".repeat(4096);
    };
    const port = await serve((_, response) => pipeline(Readable.from(endless()), response, () => undefined));
    const { result, output } = await httpProbe(target(port), 5000, signal());
    assert.deepEqual([result, output.length], ["success", 10 * 1024]);
  });

  test("says why there is no answer", async () => {
    const closed = await closedPort();
    const refused = await httpProbe(target(closed), 1000, signal());
    assert.equal(
      refused.output,
      `Get "http://${HOST}:${closed}/": dial tcp ${HOST}:${closed}: connect: connection refused`,
    );
    const silent = await serveRaw(undefined);
    const late = await httpProbe(target(silent), 100, signal());
    assert.equal(
      late.output,
      `Get "http://${HOST}:${silent}/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
    );
    const rude = await httpProbe(target(await serveRaw("")), 1000, signal());
    assert.match(rude.output, /: EOF$/);
    const plain = await serveRaw("HTTP/1.0 200 OK\r\n\r\n");
    const tls = await httpProbe(target(plain, "/", { scheme: "HTTPS" }), 1000, signal());
    assert.match(tls.output, /^Get "https:.*: http: server gave HTTP response to HTTPS client$/);
  });

  test("takes servers as they are: bare line feeds in the head", async () => {
    const port = await serveRaw("HTTP/1.0 200 OK\nContent-Type: text/plain\n\nhello");
    assert.equal((await httpProbe(target(port), 1000, signal())).output, "hello");
  });

  test("a header that cannot be sent is a failure, not a crash", async () => {
    const httpHeaders = [{ name: "X", value: "a\nb" }];
    const { result } = await httpProbe(target(await closedPort(), "/", { httpHeaders }), 1000, signal());
    assert.equal(result, "failure");
  });

  test("gives up with its signal", async () => {
    const life = new AbortController();
    const asked = httpGet(target(await serveRaw(undefined)), life.signal);
    life.abort(new Error("stopped"));
    await assert.rejects(asked);
  });
});

describe("TCP probes", () => {
  test("who accepts is well", async () => {
    assert.equal((await tcpProbe(HOST, await serveRaw(undefined), 1000, signal())).result, "success");
  });
  test("who refuses is not", async () => {
    const port = await closedPort();
    const outcome = await tcpProbe(HOST, port, 1000, signal());
    assert.deepEqual(outcome, { result: "failure", output: `dial tcp ${HOST}:${port}: connect: connection refused` });
  });
});

describe("gRPC probes", () => {
  /** A health service of grpc-js, an implementation that is not ours. */
  async function serveHealth(answer: (service: string) => number | undefined | "never"): Promise<number> {
    const server = new Server();
    const definition = {
      Check: {
        path: "/grpc.health.v1.Health/Check",
        requestStream: false,
        responseStream: false,
        requestDeserialize: (bytes: Buffer) => ({ service: bytes.subarray(2).toString() }),
        requestSerialize: (bytes: Buffer) => bytes,
        responseDeserialize: (bytes: Buffer) => bytes,
        responseSerialize: (status: number) => (status === 0 ? Buffer.alloc(0) : Buffer.from([8, status])),
      },
    };
    server.addService(definition, {
      Check(call: { request: { service: string } }, reply: (error: object | null, status?: number) => void) {
        const status = answer(call.request.service);
        if (status === undefined) reply({ code: Code.NOT_FOUND, details: "unknown service" });
        else if (status !== "never") reply(null, status);
      },
    });
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    server.bindAsync(`${HOST}:0`, ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
    scope.defer(() => server.forceShutdown());
    return promise;
  }

  test("asks for the service, and takes its word", async () => {
    const port = await serveHealth((service) => ({ "": 1, up: 1, down: 2, odd: 0, slow: "never" as const })[service]);
    const ask = (service: string) => grpcProbe({ host: HOST, port, service }, 1000, signal());
    assert.deepEqual(await ask(""), { result: "success", output: "service healthy" });
    assert.equal((await ask("up")).result, "success");
    assert.deepEqual(await ask("down"), {
      result: "failure",
      output: 'service unhealthy (responded with "NOT_SERVING")',
    });
    assert.equal((await ask("odd")).output, 'service unhealthy (responded with "UNKNOWN")');
    assert.equal(
      (await ask("nobody")).output,
      "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service",
    );
    assert.equal((await ask("slow")).output, "timeout: health rpc did not complete within 1s");
  });

  test("says who does not speak it", async () => {
    const server = new Server();
    const { promise, resolve } = Promise.withResolvers<number>();
    server.bindAsync(`${HOST}:0`, ServerCredentials.createInsecure(), (_, bound) => resolve(bound));
    scope.defer(() => server.forceShutdown());
    const ask = (port: number) => grpcProbe({ host: HOST, port, service: "" }, 1000, signal());
    assert.match((await ask(await promise)).output, /^error: this server does not implement the grpc health protocol/);
    const closed = await closedPort();
    assert.equal(
      (await ask(closed)).output,
      `timeout: failed to connect service "${HOST}:${closed}" within 1s: context deadline exceeded`,
    );
    assert.equal((await ask(await serveRaw("HTTP/1.1 400 Bad Request\r\n\r\n"))).result, "failure");
  });
});

describe("ports", () => {
  const ports = [{ name: "web", containerPort: 8080 }];
  test("are numbers, names, or numbers written as text", () => {
    assert.deepEqual(
      [containerPort(80, {}), containerPort("web", { ports }), containerPort("81", { ports })],
      [80, 8080, 81],
    );
  });
  test("others are refused", () => {
    assert.throws(() => containerPort("nope", { ports }), /port nope not found/);
    assert.throws(() => containerPort(0, {}), /invalid port number: 0/);
    assert.throws(() => containerPort("70000", {}), /invalid port number: 70000/);
  });
});
