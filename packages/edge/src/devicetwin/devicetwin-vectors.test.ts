import { test } from "node:test";
import { match, runVector, vectors } from "./devicetwin-vectors.test-data.ts";

/** What the reference got wrong is tested as it should be: in devicetwin-weaknesses.test.ts and cloud-reports.test.ts. */
for (const vector of vectors.filter(({ referenceBug }) => !referenceBug)) {
  const dmi = vector.steps.some(({ input }) => input.kind.startsWith("dmi"));
  const skip = dmi && "DMI comes with the mapper server";
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
