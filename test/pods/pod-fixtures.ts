import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { busyboxImage } from "@kedge/cri";
import { TestRegistry } from "@kedge/testing";
import type { Fixtures } from "./pod-case.ts";
import type { PodTarget } from "./pod-target.ts";

export const REGISTRY_CREDENTIALS = "user:password";
/** Runs as `app`, a name. */
export const NAMED_USER_IMAGE = "kedge.local/named-user:1";
/** Runs as 1000, in `/tmp`, with a variable, entry point and command of its own. */
export const OWN_MIND_IMAGE = "kedge.local/own-mind:1";

/** What cases find beside their target. */
export class PodFixtures implements AsyncDisposable {
  readonly open: TestRegistry;
  readonly closed: TestRegistry;

  private constructor(open: TestRegistry, closed: TestRegistry) {
    this.open = open;
    this.closed = closed;
  }

  static async start({ containerd }: PodTarget): Promise<PodFixtures> {
    await using scope = new AsyncDisposableStack();
    const open = scope.use(await TestRegistry.start());
    const closed = scope.use(await TestRegistry.start({ credentials: REGISTRY_CREDENTIALS }));
    await mkdir(join(containerd.root, "scratch"), { recursive: true });
    const image = await busyboxImage("unnamed");
    for (const tag of ["1", "2", "3", "4"]) open.push(`team/app:${tag}`, image);
    for (const tag of ["1", "2"]) closed.push(`team/app:${tag}`, image);
    const ownMind = {
      user: "1000",
      workingDir: "/tmp",
      env: ["PATH=/bin", "MIND=own"],
      entrypoint: ["echo", "entry"],
      cmd: ["command"],
    };
    await containerd.importImages([
      await busyboxImage(NAMED_USER_IMAGE, { user: "app" }),
      await busyboxImage(OWN_MIND_IMAGE, ownMind),
    ]);
    scope.move();
    return new PodFixtures(open, closed);
  }

  for({ nodeName, containerd }: PodTarget, namespace: string): Fixtures {
    return {
      nodeName,
      scratch: join(containerd.root, "scratch", namespace),
      registry: this.open.host,
      closedRegistry: this.closed.host,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.open[Symbol.asyncDispose]();
    await this.closed[Symbol.asyncDispose]();
  }
}
