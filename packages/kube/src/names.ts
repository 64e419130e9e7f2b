const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const DNS_1035_LABEL = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const QUALIFIED_NAME_PART = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const CONFIG_KEY = /^[-._a-zA-Z0-9]+$/;

export const DNS_LABEL_CHARS_MAX = 63;
export const DNS_SUBDOMAIN_CHARS_MAX = 253;
const LABEL_PART_CHARS_MAX = 63;

function tooLong(value: string, charsMax: number): string | undefined {
  return value.length > charsMax ? `must be no more than ${charsMax} characters` : undefined;
}

/** @returns what is wrong, in Kubernetes' words, or undefined. RFC 1123 label: most names within a pod, namespaces. */
export function dnsLabelProblem(value: string): string | undefined {
  return (
    tooLong(value, DNS_LABEL_CHARS_MAX) ??
    (DNS_LABEL.test(value)
      ? undefined
      : DNS_SUBDOMAIN.test(value)
        ? "must not contain dots"
        : "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')")
  );
}

/** RFC 1123 subdomain: the names of most objects. */
export function dnsSubdomainProblem(value: string): string | undefined {
  return (
    tooLong(value, DNS_SUBDOMAIN_CHARS_MAX) ??
    (DNS_SUBDOMAIN.test(value)
      ? undefined
      : "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')")
  );
}

/** RFC 1035 label: names of Services; starts with a letter. */
export function dns1035LabelProblem(value: string): string | undefined {
  return (
    tooLong(value, DNS_LABEL_CHARS_MAX) ??
    (DNS_1035_LABEL.test(value)
      ? undefined
      : "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')")
  );
}

/** `prefix/name` or `name`: label and annotation keys, resource names, taints, condition types. */
export function labelKeyProblem(key: string): string | undefined {
  const slash = key.indexOf("/");
  const prefix = slash === -1 ? undefined : key.slice(0, slash);
  const name = key.slice(slash + 1);
  if (prefix === "") return "prefix part must be non-empty";
  const prefixProblem = prefix === undefined ? undefined : dnsSubdomainProblem(prefix);
  if (prefixProblem !== undefined) return `prefix part ${prefixProblem}`;
  if (name === "") return "name part must be non-empty";
  if (name.length > LABEL_PART_CHARS_MAX) return `name part must be no more than ${LABEL_PART_CHARS_MAX} characters`;
  if (QUALIFIED_NAME_PART.test(name)) return undefined;
  return "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
}

export function labelValueProblem(value: string): string | undefined {
  return (
    tooLong(value, LABEL_PART_CHARS_MAX) ??
    (LABEL_VALUE.test(value)
      ? undefined
      : "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')")
  );
}

/** Keys of ConfigMaps and Secrets: they become file names. */
export function configKeyProblem(key: string): string | undefined {
  if (key.length > DNS_SUBDOMAIN_CHARS_MAX) return `must be no more than ${DNS_SUBDOMAIN_CHARS_MAX} characters`;
  if (!CONFIG_KEY.test(key))
    return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
  if (key === "." || key === "..") return `must not be '${key}'`;
  return key.startsWith("..") ? "must not start with '..'" : undefined;
}
