import { readFile } from "node:fs/promises";
import type { OciImage } from "./oci-layout.ts";
import { pauseBinary } from "./pause-binary.ts";
import type { TarEntry } from "./tar.ts";

/** Debian's package busybox-static: one binary that needs no libraries. */
export const BUSYBOX_PATH = "/bin/busybox";

const APPLETS =
  "sh ash cat chmod chown cp cut date dd df echo env expr false find grep head hostname httpd id ip kill ln ls mkdir " +
  "mount mv nc nslookup ping printenv printf ps pwd readlink rm sed seq sleep sort stat sync tail tee test touch tr " +
  "true umount uname vi wc wget whoami xargs yes awk base64 du mktemp nproc ulimit sha256sum stty md5sum nice od setsid";

/** A small userland to run samples and tests in. @throws ENOENT if busybox-static is not installed. */
export async function busyboxImage(name: string, extra: Partial<OciImage> = {}): Promise<OciImage> {
  const busybox = await readFile(BUSYBOX_PATH);
  const files: TarEntry[] = [
    ...["bin/", "etc/", "root/", "var/", "usr/", "usr/bin/"].map((path) => ({ path })),
    { path: "tmp/", mode: 0o1777 },
    { path: "bin/busybox", content: busybox },
    ...APPLETS.split(" ").map((applet) => ({ path: `bin/${applet}`, linkTo: "busybox" })),
    { path: "etc/passwd", mode: 0o644, content: Buffer.from("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/:\n") },
    { path: "etc/group", mode: 0o644, content: Buffer.from("root:x:0:\napp:x:1000:\n") },
  ];
  return { name, cmd: ["/bin/sh"], ...extra, files: [...files, ...(extra.files ?? [])] };
}

/** The image of the process that keeps a pod's namespaces. */
export async function pauseImage(name: string): Promise<OciImage> {
  const pause = pauseBinary();
  if (pause !== undefined) return { name, files: [{ path: "pause", content: pause }], entrypoint: ["/pause"] };
  const script = "while :; do sleep 2147483 & wait; done"; // `wait` reaps adopted children, too
  return busyboxImage(name, { entrypoint: ["/bin/sh", "-c", script], cmd: [] });
}
