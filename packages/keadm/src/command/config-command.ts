import { outputFormat, render } from "../text-output.ts";
import { RELEASE } from "../release.ts";
import { KeadmError } from "../keadm-error.ts";
import type { Session } from "../session.ts";
import { type CommandGroup, RUNTIME_ENDPOINT } from "./command-group.ts";

const REPOSITORY_DEFAULT = "kedge";

interface ImageFlags {
  kubeedgeVersion: string;
  imageRepository: string;
  part?: string;
  remoteRuntimeEndpoint: string;
  output: string;
}

/** Of the edge there is none: edgecore is a program of this release. */
function images({ part, imageRepository, kubeedgeVersion }: ImageFlags): string[] {
  if (part !== undefined && part !== "cloud" && part !== "edge")
    throw new KeadmError("BadInput", "--part", `--part ${part} is no part: take cloud or edge`);
  const tag = kubeedgeVersion.startsWith("v") ? kubeedgeVersion : `v${kubeedgeVersion}`;
  return part === "edge" ? [] : [`${imageRepository.replace(/\/+$/, "")}/cloudcore:${tag}`];
}

/** A name without a registry looks as if it were to be had. */
function noteUnpublished({ imageRepository, part }: ImageFlags, session: Session): void {
  if (part !== "edge" && imageRepository === REPOSITORY_DEFAULT)
    session.tell(
      "! this image is not published anywhere: make it as docs/KEADM.md says, and name your registry with --image-repository",
    );
}

export const configCommand: CommandGroup = (keadm, session) => {
  const command = keadm.command("config").description("what keadm needs").command("images").description("images");
  const flags = (name: string) =>
    command
      .command(name)
      .option("--kubeedge-version <version>", "tag of the images", `v${RELEASE}`)
      .option("--image-repository <repository>", "registry and organisation", REPOSITORY_DEFAULT)
      .option("--part <part>", "cloud or edge (default: both)");
  flags("list")
    .description("print the images that init uses; join uses none")
    .option("-o, --output <format>", "text or json", "text")
    .action((given: ImageFlags) => {
      const list = images(given);
      noteUnpublished(given, session);
      session.print(outputFormat(given.output, ["text", "json"]) === "json" ? render(list, "json") : list.join("\n"));
    });
  flags("pull")
    .description("pull them with the container runtime of this host")
    .option("-p, --remote-runtime-endpoint <endpoint>", "container runtime (CRI)", RUNTIME_ENDPOINT)
    .action(async (given: ImageFlags) => {
      const list = images(given);
      noteUnpublished(given, session);
      const { pullImages } = await import("../host/pull-images.ts");
      await pullImages(list, given.remoteRuntimeEndpoint, session);
    });
};
