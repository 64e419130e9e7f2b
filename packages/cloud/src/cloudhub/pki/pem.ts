/** PEM armour around DER. */
export function derToPem(label: "CERTIFICATE" | "EC PRIVATE KEY" | "PRIVATE KEY", der: Uint8Array): string {
  const base64 = Buffer.from(der).toString("base64");
  return `-----BEGIN ${label}-----\n${base64.replaceAll(/.{64}/g, "$&\n").trimEnd()}\n-----END ${label}-----\n`;
}

/** The DER of the first block of such a label; `undefined` if there is none. */
export function pemToDer(pem: string, label: RegExp): Buffer | undefined {
  const block = new RegExp(`-----BEGIN (${label.source})-----([A-Za-z0-9+/=\\s]+)-----END \\1-----`).exec(pem);
  return block?.[2] === undefined ? undefined : Buffer.from(block[2], "base64");
}
