import { SECRETS, SERVICE_ACCOUNTS } from "@kedge/kube";
import type { Given, PodTheme } from "../pod-case.ts";
import { REGISTRY_CREDENTIALS } from "../pod-fixtures.ts";
import { lasting, podOf, SERVE } from "../pods.ts";
import { becomes, changes, changesPod, containerBecomes, event, isReady, noEvent, was, warning } from "../steps.ts";

const dockerConfig = (registry: string, credentials: string): string =>
  JSON.stringify({ auths: { [registry]: { auth: Buffer.from(credentials).toString("base64") } } });

/** The registry's address is known when the case runs. */
function pullSecret(name: string, registry: string, credentials: string): Given {
  return {
    type: SECRETS,
    object: {
      metadata: { name },
      type: "kubernetes.io/dockerconfigjson",
      stringData: { ".dockerconfigjson": dockerConfig(registry, credentials) },
    } as Given["object"],
  };
}

export const IMAGES: PodTheme = {
  name: "images",
  cases: [
    {
      name: "Never: an image that is not there",
      core: true,
      pod: lasting({ image: "kedge.local/none:1", imagePullPolicy: "Never" }),
      steps: [
        containerBecomes({
          state: "waiting",
          reason: "ErrImageNeverPull",
          message: 'Container image "kedge.local/none:1" is not present with pull policy of Never',
        }),
        warning(
          "ErrImageNeverPull",
          /^Container image "kedge\.local\/none:1" is not present with pull policy of Never$/,
        ),
        warning("Failed", /^Error: ErrImageNeverPull$/),
      ],
    },
    {
      name: "IfNotPresent: an image that is there is not pulled",
      pod: lasting({ imagePullPolicy: "IfNotPresent" }),
      steps: [isReady(), event("Pulled", /already present on machine/), noEvent("Pulling")],
    },
    {
      name: "IfNotPresent: an image that is not there is pulled",
      core: true,
      pod: ({ registry }) => lasting({ image: `${registry}/team/app:1`, imagePullPolicy: "IfNotPresent" }),
      steps: [
        isReady(),
        event("Pulling", /^Pulling image "127\.0\.0\.1:\d+\/team\/app:1"$/),
        event(
          "Pulled",
          /^Successfully pulled image "127\.0\.0\.1:\d+\/team\/app:1" in .*s \(.*s including waiting\)\. Image size: \d+ bytes\.$/,
        ),
      ],
    },
    {
      name: "Always: an image is pulled each time",
      pod: ({ registry }) => lasting({ image: `${registry}/team/app:2`, imagePullPolicy: "Always" }),
      steps: [
        isReady(),
        async (run) => run.killContainer("main", "SIGKILL"),
        containerBecomes({ restarts: 1, state: "running" }),
        async (run) =>
          run.until(() => {
            const pulls = run.events
              .filter(({ reason }) => reason === "Pulling")
              .reduce((sum, { count = 1 }) => sum + count, 0);
            return pulls === 2 ? undefined : `${pulls} pulls`;
          }),
      ],
    },
    {
      name: "an image that its registry does not have",
      core: true,
      pod: ({ registry }) => lasting({ image: `${registry}/team/none:1`, imagePullPolicy: "IfNotPresent" }),
      steps: [
        was({ containers: { main: { state: "waiting", reason: "ErrImagePull", message: /team\/none:1/ } } }),
        containerBecomes({
          state: "waiting",
          reason: "ImagePullBackOff",
          message: /^Back-off pulling image "127\.0\.0\.1:\d+\/team\/none:1"/,
        }),
        warning("Failed", /^Failed to pull image "127\.0\.0\.1:\d+\/team\/none:1": /),
        warning("Failed", /^Error: ErrImagePull$/),
        event("BackOff", /^Back-off pulling image "127\.0\.0\.1:\d+\/team\/none:1"/),
        warning("Failed", /^Error: ImagePullBackOff$/),
        becomes({ phase: "Pending" }),
      ],
    },
    {
      name: "a registry that cannot be reached",
      pod: lasting({ image: "127.0.0.1:1/team/app:1", imagePullPolicy: "IfNotPresent" }),
      steps: [
        containerBecomes({ state: "waiting", reason: "ImagePullBackOff" }),
        warning("Failed", /connection refused/),
      ],
    },
    {
      name: "a name that is none",
      pod: lasting({ image: "not/A:name", imagePullPolicy: "IfNotPresent" }),
      steps: [
        containerBecomes({
          state: "waiting",
          reason: "InvalidImageName",
          message: /^Failed to apply default image tag "not\/A:name": /,
        }),
        warning("InspectFailed", /^Failed to apply default image tag "not\/A:name": /),
        warning("Failed", /^Error: InvalidImageName$/),
      ],
    },
    {
      name: "a registry that wants credentials refuses without",
      pod: ({ closedRegistry }) => lasting({ image: `${closedRegistry}/team/app:1`, imagePullPolicy: "Always" }),
      steps: [
        containerBecomes({ reason: /^(ErrImagePull|ImagePullBackOff)$/ }),
        warning("Failed", /401|authorization failed|Unauthorized/),
      ],
    },
    {
      name: "imagePullSecrets open it",
      core: true,
      pod: ({ closedRegistry }) =>
        lasting(
          { image: `${closedRegistry}/team/app:1`, imagePullPolicy: "Always" },
          { imagePullSecrets: [{ name: "pull" }] },
        ),
      givenOf: ({ closedRegistry }) => [pullSecret("pull", closedRegistry, REGISTRY_CREDENTIALS)],
      steps: [isReady()],
    },
    {
      name: "a pull secret that is missing is told of",
      pod: ({ registry }) =>
        lasting(
          { image: `${registry}/team/app:3`, imagePullPolicy: "IfNotPresent" },
          { imagePullSecrets: [{ name: "none" }] },
        ),
      steps: [isReady(), warning("FailedToRetrieveImagePullSecret", /none/)],
    },
    {
      name: "changing the image replaces the container",
      core: true,
      pod: lasting({}),
      steps: [
        isReady(),
        async (run) => {
          const image = `${run.fixtures.registry}/team/app:4`;
          await changesPod({ spec: { containers: [{ name: "main", image }] } })(run);
        },
        event("Killing", /^Container main definition changed, will be restarted$/),
      ],
    },
    {
      name: "statuses tell image and image id",
      pod: lasting(),
      steps: [
        isReady(),
        async (run) => {
          const [status] = run.recorded.object?.status?.containerStatuses ?? [];
          if (status?.image !== "kedge.local/busybox:1") throw new Error(`image is ${status?.image}`);
          if (!/^sha256:[0-9a-f]{64}$/.test(status.imageID)) throw new Error(`imageID is ${status.imageID}`);
          if (!/^containerd:\/\/[0-9a-f]{64}$/.test(status.containerID ?? ""))
            throw new Error(`id is ${status.containerID}`);
        },
      ],
    },
    {
      name: "two containers of one pod may have the same image",
      pod: ({ registry }) =>
        podOf([
          { image: `${registry}/team/app:3`, imagePullPolicy: "IfNotPresent", script: SERVE },
          { name: "other", image: `${registry}/team/app:3`, imagePullPolicy: "IfNotPresent", script: SERVE },
        ]),
      steps: [isReady()],
    },
    {
      name: "a pull secret of the service account counts",
      pod: ({ closedRegistry }) =>
        lasting({ image: `${closedRegistry}/team/app:2`, imagePullPolicy: "Always" }, { serviceAccountName: "puller" }),
      givenOf: ({ closedRegistry }) => [
        pullSecret("pull", closedRegistry, REGISTRY_CREDENTIALS),
        {
          type: SERVICE_ACCOUNTS,
          object: { metadata: { name: "puller" }, imagePullSecrets: [{ name: "pull" }] } as Given["object"],
        },
      ],
      steps: [isReady()],
    },
    {
      name: "creating the pull secret lets the next try succeed",
      pod: ({ closedRegistry }) =>
        lasting(
          { image: `${closedRegistry}/team/app:1`, imagePullPolicy: "Always" },
          { imagePullSecrets: [{ name: "late" }] },
        ),
      givenOf: ({ closedRegistry }) => [pullSecret("late", closedRegistry, "user:wrong")],
      steps: [
        containerBecomes({ reason: /^(ErrImagePull|ImagePullBackOff)$/ }),
        async (run) => {
          const value = dockerConfig(run.fixtures.closedRegistry, REGISTRY_CREDENTIALS);
          await changes(SECRETS, "late", { stringData: { ".dockerconfigjson": value } })(run);
        },
        isReady(),
      ],
      timeoutSeconds: 120,
    },
  ],
};
