import assert from "node:assert/strict";
import { test } from "node:test";
import { nameservers } from "./write-configs.ts";

test("pods get the host's name servers, three at most", () => {
  const text =
    "# nameserver 9.9.9.9\nsearch a\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # two\noptions ndots:1\n";
  assert.deepEqual(nameservers(text), ["192.0.2.1", "2001:db8::1"]);
  assert.deepEqual(nameservers("nameserver 1\nnameserver 2\nnameserver 3\nnameserver 4\n"), ["1", "2", "3"]);
  assert.deepEqual(nameservers(""), []);
});
