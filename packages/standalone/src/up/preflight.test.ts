import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { UserError } from "../user-error.ts";
import { expectPortsFree } from "./preflight.ts";

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
