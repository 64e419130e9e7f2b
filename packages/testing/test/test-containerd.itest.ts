import assert from "node:assert/strict";
import { test } from "node:test";
import { ContainerState } from "@kedge/cri";
import { TEST_IMAGE, TestContainerd } from "@kedge/testing";

test("runs a container and tells of its exit", { timeout: 60_000, skip: TestContainerd.missing() }, async () => {
  await using containerd = await TestContainerd.start();
  const { client } = containerd;
  using life = new AbortOnDispose();
  const { signal } = life;
  const events = client.events(signal);
  const first = events.next();

  const metadata = { name: "one", uid: "uid-1", namespace: "default" };
  const sandboxConfig = { metadata, hostname: "one", logDirectory: `${containerd.root}/logs`, linux: {} };
  const sandbox = await client.runtime.runPodSandbox(sandboxConfig, "", signal);
  const status = await client.runtime.podSandboxStatus(sandbox, signal);
  assert.match(status?.network?.ip ?? "", /^10\./);
  assert.deepEqual((await first).value, { containerId: sandbox, kind: "started" });

  const config = { metadata: { name: "c" }, image: { image: TEST_IMAGE }, command: ["sh", "-c", "exit 3"], linux: {} };
  const container = await client.runtime.createContainer(sandbox, config, sandboxConfig, signal);
  await client.runtime.startContainer(container, signal);
  for await (const event of events) if (event.containerId === container && event.kind === "exited") break;
  let exited = await client.runtime.containerStatus(container, signal);
  while (exited?.state === ContainerState.CONTAINER_RUNNING)
    exited = await client.runtime.containerStatus(container, signal); // the answer lags behind the event
  assert.deepEqual([exited?.state, exited?.exitCode], [ContainerState.CONTAINER_EXITED, 3]);
});

class AbortOnDispose extends AbortController implements Disposable {
  [Symbol.dispose](): void {
    this.abort();
  }
}
