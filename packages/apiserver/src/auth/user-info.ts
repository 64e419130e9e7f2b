/** Who asks. As `authentication.k8s.io` knows it. */
export interface UserInfo {
  readonly username: string;
  readonly uid?: string | undefined;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>> | undefined;
}

export const GROUP_AUTHENTICATED = "system:authenticated";
/** May do everything; no rule is asked. */
export const GROUP_MASTERS = "system:masters";
export const GROUP_SERVICE_ACCOUNTS = "system:serviceaccounts";

export function serviceAccountUsername(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

export function serviceAccountGroups(namespace: string): string[] {
  return [GROUP_SERVICE_ACCOUNTS, `${GROUP_SERVICE_ACCOUNTS}:${namespace}`, GROUP_AUTHENTICATED];
}
