import type { Container } from "@kedge/kube";

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * What a kubelet writes as `io.kubernetes.container.hash`: changes with the container's name and image alone. An equal
 * hash lets a kubelet's containers go on under Kedge, and the other way round.
 *
 * @see `edge-runtime` §3.2: FNV-1a over Go's `%#v`-like text of the JSON's bytes.
 */
export function containerHash({ name, image = "" }: Pick<Container, "name" | "image">): string {
  const json = `{"image":${goJsonString(image)},"name":${goJsonString(name)}}`;
  const text = `([]uint8)[${[...Buffer.from(json)].join(" ")}]`;
  let hash = FNV_OFFSET;
  for (const byte of Buffer.from(text, "latin1")) hash = Math.imul(hash ^ byte, FNV_PRIME);
  return (hash >>> 0).toString(16);
}

/** As Go's encoding/json writes a string: safe inside HTML. */
function goJsonString(text: string): string {
  return JSON.stringify(text)
    .replaceAll("<", "\\u003c")
    .replaceAll(">", "\\u003e")
    .replaceAll("&", "\\u0026")
    .replaceAll("\u2028", "\\u2028")
    .replaceAll("\u2029", "\\u2029");
}
