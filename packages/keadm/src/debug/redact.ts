import type { KubeObject, Secret } from "@kedge/kube";

export const REDACTED = "(redacted)";
/** JSON Web Tokens, a join token's hash before them included, and PEM keys: whatever of the kind got into a text. */
const TOKENS = /(?:\b[0-9a-f]{64}\.)?\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}/g;
const KEYS = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?-----END [A-Z ]*PRIVATE KEY-----/g;
/** Values of keys in YAML and JSON that hold secrets. */
const SECRET_KEYS = /^(\s*"?(?:token|mqttPassword|password)"?\s*:\s*)(?:"[^"\n]+"|'[^'\n]+'|[^"'\s,][^\n,]*)(,?)$/gim;
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** A Secret without its values; other objects as they are. */
export function withoutSecrets(object: KubeObject): KubeObject {
  if (object.kind !== "Secret" && !("data" in object && "type" in object)) return object;
  const { data, stringData, metadata, ...rest } = object as Secret;
  const hide = (values: object | undefined) =>
    values && Object.fromEntries(Object.keys(values).map((key) => [key, REDACTED]));
  const annotations =
    metadata?.annotations?.[LAST_APPLIED] === undefined
      ? metadata?.annotations
      : { ...metadata.annotations, [LAST_APPLIED]: REDACTED }; // it holds the values once more
  return {
    ...rest,
    metadata: { ...metadata, ...(annotations !== undefined && { annotations }) },
    ...(data !== undefined && { data: hide(data) }),
    ...(stringData !== undefined && { stringData: hide(stringData) }),
  } as KubeObject;
}

/** A text, such as a log or a configuration, without what opens doors. */
export function redactText(text: string): string {
  return text.replaceAll(KEYS, REDACTED).replaceAll(TOKENS, REDACTED).replaceAll(SECRET_KEYS, `$1"${REDACTED}"$2`);
}
