import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "./protocol-error.ts";
import { decodeCredit, encodeCredit, ReceiveCredit, SendCredit, TUNNEL_WINDOW_BYTES } from "./tunnel-credit.ts";

const isBadCredit = (error: unknown) => error instanceof ProtocolError && error.details.code === "BadCredit";

test("both ends agree on what may be sent, whatever is written and taken", () => {
  const step = fc.record({ write: fc.nat(TUNNEL_WINDOW_BYTES * 2), take: fc.nat(TUNNEL_WINDOW_BYTES * 2) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const [sender, receiver] = [new SendCredit(), new ReceiveCredit()];
      let waiting = 0;
      for (const { write, take } of steps) {
        const sent = Math.min(write, sender.bytes);
        sender.spend(sent);
        receiver.arrived(sent);
        waiting += sent;
        assert.ok(waiting <= TUNNEL_WINDOW_BYTES, "what waits for a slow reader is bounded");
        const taken = Math.min(take, waiting);
        waiting -= taken;
        const grant = receiver.taken(taken);
        if (grant > 0) sender.grant(decodeCredit(encodeCredit(grant)));
      }
      // A reader that takes all never leaves the writer without credit.
      const grant = receiver.taken(waiting);
      if (grant > 0) sender.grant(grant);
      assert.ok(sender.bytes > 0);
    }),
  );
});

test("notices who sends without credit", () => {
  const receiver = new ReceiveCredit();
  receiver.arrived(TUNNEL_WINDOW_BYTES);
  assert.throws(() => receiver.arrived(1), isBadCredit);
});

test("takes no grant beyond a window", () => {
  assert.throws(() => new SendCredit().grant(1), isBadCredit);
  for (const hex of ["00", "0100", "ffffffffffffffffff01", "818010"])
    assert.throws(() => decodeCredit(Buffer.from(hex, "hex")), isBadCredit);
});
