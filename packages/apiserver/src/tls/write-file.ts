import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Replaces a file whole: after a crash there is the old one or the new one, on disk, never a part. */
export async function writeFileDurably(path: string, text: string, mode: number): Promise<void> {
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  const file = await open(draft, "wx", mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
