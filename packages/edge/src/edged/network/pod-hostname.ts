import type { Pod } from "@kedge/kube";
import { CodedError } from "@kedge/runtime";

const HOSTNAME_CHARS_MAX = 63;
/** The kernel's limit for `uname -n`. */
const FQDN_CHARS_MAX = 64;
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** A pod asks for a name that no host can have. */
export class HostnameError extends CodedError<{ readonly code: "InvalidHostname" }> {}

export interface PodHostname {
  /** Short name; `spec.hostname` or the pod's name, cut to what a host name may be. */
  readonly hostname: string;
  /** `<subdomain>.<namespace>.svc.<cluster domain>`, or empty without a subdomain. */
  readonly domain: string;
  /** What the sandbox gets: the short name, or both joined if the pod wants that. */
  readonly kernelHostname: string;
}

/** @throws HostnameError with kubelet's wording. */
export function podHostname(pod: Pod, clusterDomain: string): PodHostname {
  const { metadata = {}, spec } = pod;
  if (spec?.hostname) checkLabel("Hostname", spec.hostname);
  if (spec?.subdomain) checkLabel("Subdomain", spec.subdomain);
  const hostname = cut(spec?.hostname ? spec.hostname : (metadata.name ?? ""));
  const domain = spec?.subdomain ? `${spec.subdomain}.${metadata.namespace ?? ""}.svc.${clusterDomain}` : "";
  if (domain === "" || spec?.setHostnameAsFQDN !== true) return { hostname, domain, kernelHostname: hostname };

  const fqdn = `${hostname}.${domain}`;
  if (fqdn.length > FQDN_CHARS_MAX)
    throw new HostnameError(
      `failed to construct FQDN from pod hostname and cluster domain, FQDN ${fqdn} is too long ` +
        `(${FQDN_CHARS_MAX} characters is the max, ${fqdn.length} characters requested)`,
      { code: "InvalidHostname" },
    );
  return { hostname, domain, kernelHostname: fqdn };
}

function checkLabel(field: string, value: string): void {
  if (!DNS_LABEL.test(value))
    throw new HostnameError(`pod ${field} ${JSON.stringify(value)} is not a valid DNS label`, {
      code: "InvalidHostname",
    });
}

// A name must not end in a dash or a dot where it was cut.
function cut(name: string): string {
  return name.length <= HOSTNAME_CHARS_MAX ? name : name.slice(0, HOSTNAME_CHARS_MAX).replace(/[-.]+$/, "");
}
