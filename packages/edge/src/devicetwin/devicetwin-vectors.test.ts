import { test } from "node:test";
import { match, runVector, vectors } from "./devicetwin-vectors.test-data.ts";

/** What the reference got wrong is tested in devicetwin-weaknesses.test.ts, as it should be. */
for (const vector of vectors) {
  const dmi = vector.steps.some(({ input }) => input.kind.startsWith("dmi"));
  const skip = dmi ? "DMI comes with the mapper server" : vector.referenceBug ? "a defect of the reference" : false;
  test(`vector ${vector.id}: ${vector.title}`, { skip, timeout: 10_000 }, async () => {
    const { steps, stored } = await runVector(vector);
    for (const [index, { expect }] of vector.steps.entries()) {
      if (expect.notSubscribed === true) continue; // asserted by the EventBus' vectors
      const reasons = vector.reasonTextImplementationSpecific !== true;
      match(steps[index]?.published, expect.published ?? [], { reasons });
      match(steps[index]?.toCloud, (expect.toCloud ?? []).filter(fromTwin));
    }
    for (const table of ["device", "device_attr", "device_twin"] as const)
      match(stored[table], vector.storedAfter[table]);
  });
}

/** Uploads of other topics are EventBus' part. */
function fromTwin(message: unknown): boolean {
  return (message as { route: { source: string } }).route.source === "twin";
}
