/** RFC 1123 subdomain: a node's name becomes part of a certificate, of paths and of headers. */
const NODE_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const NODE_NAME_CHARS_MAX = 253;

export function isNodeName(name: string): boolean {
  return name.length <= NODE_NAME_CHARS_MAX && NODE_NAME.test(name);
}
