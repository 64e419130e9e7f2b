import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { UserError } from "../user-error.ts";
import { expectPortsFree, takenPorts } from "./preflight.ts";

test("a taken port is named, with what needs it and how to choose another", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  await assert.rejects(expectPortsFree({ https: address.port }), (error: unknown) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, new RegExp(`^port ${address.port}, which CloudHub's certificates needs, is taken`));
    assert.match(error.message, /--https-port\.$/);
    return true;
  });
  server.close();
  await once(server, "close");
  await expectPortsFree({ https: address.port });
});

test("all that are taken are named at once, and another up by its node and folder", () => {
  const taken = [
    { name: "api", port: 6443 },
    { name: "mqtt", port: 1884 },
  ] as const;
  assert.equal(
    takenPorts(taken),
    "ports 6443 (the Kubernetes API), 1884 (the node's MQTT broker) are taken by other " +
      "programs (see: ss -ltnp 'sport = :6443 or sport = :1884'). Stop them, or choose other ports with --api-port, --mqtt-port.",
  );
  const ports = { api: 6443, cloudHub: 1, https: 2, mqtt: 1884, status: 3, monitor: 4, tunnel: 5, stream: 6 };
  assert.match(
    takenPorts(taken, { stateDir: "/srv/kedge", nodeName: "n1", ports }),
    /taken by another \.\/kedge up \(node n1, in \/srv\/kedge\)\. Stop it with \.\/kedge down --state-dir \/srv\/kedge, or choose/,
  );
});
