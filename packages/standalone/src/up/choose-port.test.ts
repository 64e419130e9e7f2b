import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { choosePort } from "./choose-port.ts";

test("the usual port, or another if somebody has it; what the user gives is taken as it is", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const other = await choosePort(undefined, address.port);
  assert.notEqual(other, address.port);
  assert.notEqual(other, 0);
  assert.equal(await choosePort(address.port, 1), address.port);
  assert.notEqual(await choosePort(0, 1), 0);
  server.close();
  await once(server, "close");
  assert.equal(await choosePort(undefined, address.port), address.port);
});
