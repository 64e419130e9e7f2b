import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { NamespaceMode, type RuntimeStatusAnswer, SupplementalGroupsPolicy } from "@kedge/cri";
import type { Pod, PodSpec } from "@kedge/kube";
import { appArmorProfile, appArmorRefusal, isAppArmorEnabled } from "./app-armor.ts";
import { targetingOptions } from "./namespace-options.ts";
import { featuresOf, type RuntimeFeatures, runtimeFeatures } from "./runtime-features.ts";
import { sandboxSecurityContext } from "./sandbox-security-context.ts";
import { securityRefusal } from "./security-admission.ts";
import { IDS_PER_POD, UserNamespaces } from "./user-namespaces.ts";

const pod = (spec: Partial<PodSpec> & { hostUsers?: boolean } = {}, annotations: Record<string, string> = {}): Pod => ({
  metadata: { name: "p", namespace: "d", uid: "u", annotations },
  spec: { containers: [{ name: "c" }], ...spec },
});
const strict = { securityContext: { supplementalGroupsPolicy: "Strict" } as NonNullable<PodSpec["securityContext"]> };
const all: RuntimeFeatures = {
  handlers: {
    "": { recursiveReadOnlyMounts: true, userNamespaces: true },
    runsc: { recursiveReadOnlyMounts: false, userNamespaces: false },
  },
  supplementalGroupsPolicy: true,
};
const none: RuntimeFeatures = { handlers: {}, supplementalGroupsPolicy: false };

describe("AppArmor", () => {
  const PREFIX = "container.apparmor.security.beta.kubernetes.io/c";
  const withProfile = (type: string, localhostProfile?: string): Pod =>
    pod({
      containers: [
        {
          name: "c",
          securityContext: { appArmorProfile: { type, ...(localhostProfile !== undefined && { localhostProfile }) } },
        },
      ],
    });
  const profileOf = (one: Pod) => appArmorProfile(one, one.spec?.containers[0] ?? { name: "" });

  test("the field counts, then the annotation, then the pod's", () => {
    const whole = { securityContext: { appArmorProfile: { type: "Unconfined" } } };
    assert.equal(profileOf(pod()), undefined);
    assert.deepEqual(profileOf(pod(whole)), { type: "Unconfined" });
    assert.deepEqual(profileOf(pod(whole, { [PREFIX]: "localhost/mine" })), {
      type: "Localhost",
      localhostProfile: "mine",
    });
    assert.deepEqual(profileOf(pod({}, { [PREFIX]: "runtime/default" })), { type: "RuntimeDefault" });
    const both = withProfile("RuntimeDefault");
    assert.deepEqual(profileOf({ ...both, metadata: { annotations: { [PREFIX]: "unconfined" } } }), {
      type: "RuntimeDefault",
    });
  });

  const cases = [
    { name: "nothing asked for", pod: pod(), enabled: false, refused: false },
    { name: "unconfined", pod: withProfile("Unconfined"), enabled: false, refused: false },
    { name: "the runtime's, where there is none", pod: withProfile("RuntimeDefault"), enabled: false, refused: true },
    { name: "the runtime's", pod: withProfile("RuntimeDefault"), enabled: true, refused: false },
    { name: "the host's", pod: withProfile("Localhost", "mine"), enabled: true, refused: false },
    { name: "the host's without a name", pod: withProfile("Localhost", " "), enabled: true, refused: true },
    {
      name: "an annotation, where there is none",
      pod: pod({}, { [PREFIX]: "localhost/mine" }),
      enabled: false,
      refused: true,
    },
  ];
  for (const { name, pod: asked, enabled, refused } of cases)
    test(`${name} is ${refused ? "refused" : "admitted"}`, () =>
      assert.equal(appArmorRefusal(asked, enabled) !== undefined, refused));

  test("a kernel says that it has it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "kedge-apparmor-"));
    await writeFile(join(folder, "enabled"), "Y\n");
    assert.equal(isAppArmorEnabled(join(folder, "enabled")), true);
    await writeFile(join(folder, "enabled"), "N\n");
    assert.equal(isAppArmorEnabled(join(folder, "enabled")), false);
    assert.equal(isAppArmorEnabled(join(folder, "nothing")), false);
    await rm(folder, { recursive: true });
  });

  test("a pod that runs already is not asked again", () => {
    const running: Pod = { ...withProfile("RuntimeDefault"), status: { phase: "Running" } };
    assert.equal(securityRefusal(running, { appArmor: false, features: none }), undefined);
    assert.equal(
      securityRefusal(withProfile("RuntimeDefault"), { appArmor: false, features: none })?.reason,
      "AppArmor",
    );
  });
});

test("what a runtime says that it can do, and one that says nothing", () => {
  const can = { recursiveReadOnlyMounts: true, userNamespaces: true };
  const answer = {
    runtimeHandlers: [{ name: "", features: can }, { name: "runsc" }],
    features: { supplementalGroupsPolicy: true, userNamespacesHostNetwork: false },
  } as unknown as RuntimeStatusAnswer;
  assert.deepEqual(runtimeFeatures(answer), all);
  assert.deepEqual(runtimeFeatures({ runtimeHandlers: [] } as unknown as RuntimeStatusAnswer), none);
});

describe("groups", () => {
  test("strict ones are refused where they cannot be, once that is known", () => {
    const refusal = (features: RuntimeFeatures | undefined) =>
      securityRefusal(pod(strict), { appArmor: true, features });
    assert.equal(refusal(none)?.reason, "SupplementalGroupsPolicyNotSupported");
    assert.equal(refusal(undefined), undefined);
    assert.equal(refusal(all), undefined);
    assert.throws(() => sandboxSecurityContext(pod(strict)), /SupplementalGroupsPolicy=Strict is not supported/);
    const context = sandboxSecurityContext(pod(strict), { features: all, handler: "" });
    assert.equal(context.supplementalGroupsPolicy, SupplementalGroupsPolicy.Strict);
  });
});

describe("user namespaces", () => {
  const own = pod({ hostUsers: false } as Partial<PodSpec>);
  test("are refused by name where the runtime has none", () => {
    assert.throws(
      () => sandboxSecurityContext(own, { features: none, handler: "" }),
      /runtime does not support user namespaces/,
    );
    assert.throws(
      () => sandboxSecurityContext(own, { features: all, handler: "runsc" }),
      /handler "runsc" does not support/,
    );
    assert.deepEqual(featuresOf(all, "constructor"), { recursiveReadOnlyMounts: false, userNamespaces: false });
  });

  test("map the pod's ids to its own on the host", () => {
    const ids = [{ hostId: 131_072, containerId: 0, length: IDS_PER_POD }];
    const { namespaceOptions } = sandboxSecurityContext(own, { features: all, handler: "", ids });
    assert.deepEqual(namespaceOptions?.usernsOptions, { mode: NamespaceMode.POD, uids: ids, gids: ids });
  });

  test("give each pod ids of its own, the same for as long as it is there", async () => {
    const root = await mkdtemp(join(tmpdir(), "kedge-userns-"));
    const namespaces = new UserNamespaces(root, 3);
    const ask = (uid: string) => namespaces.of({ metadata: { uid } });
    const given = await Promise.all(["a", "b", "c", "a"].map(ask));
    assert.deepEqual(
      given.map(([id]) => id?.hostId),
      [65_536, 131_072, 196_608, 65_536],
    );
    await assert.rejects(ask("d"), /user ids .* are taken/);
    await rm(join(root, "pods", "b"), { recursive: true });
    assert.equal((await ask("d"))[0]?.hostId, 131_072);
    assert.equal((await new UserNamespaces(root, 3).of({ metadata: { uid: "c" } }))[0]?.hostId, 196_608);
    await assert.rejects(ask("../a"), { code: "UnsafeName" });
    const text = await readFile(join(root, "pods", "c", "userns"), "utf8");
    assert.deepEqual(Object.keys(JSON.parse(text) as object), ["uidMappings", "gidMappings"]);
    await mkdir(join(root, "pods", "e"));
    await writeFile(join(root, "pods", "e", "userns"), "{"); // a power cut
    await rm(join(root, "pods", "a"), { recursive: true });
    assert.equal((await ask("e"))[0]?.hostId, 65_536);
    await rm(root, { recursive: true });
  });
});

test("who looks at a container's processes names it, unless they are shared already", () => {
  assert.deepEqual(targetingOptions(pod(), "t").pid, NamespaceMode.TARGET);
  assert.deepEqual(targetingOptions(pod({ shareProcessNamespace: true }), "t").pid, NamespaceMode.POD);
  assert.deepEqual(targetingOptions(pod({ hostPID: true }), "t").pid, NamespaceMode.NODE);
});
