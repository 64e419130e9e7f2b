import type { CertificateSigningRequest } from "@kedge/kube";
import type { Admission } from "./admit.ts";

/** Approvers decide by who asked, so nobody but the server may say who that was. */
export function recordRequester({ object, request }: Admission): void {
  const { spec } = object as CertificateSigningRequest;
  if (typeof spec !== "object") return;
  const { username, uid, groups, extra } = request.http.user;
  spec.username = username;
  spec.groups = [...groups];
  if (uid === undefined) delete spec.uid;
  else spec.uid = uid;
  if (extra === undefined) delete spec.extra;
  else spec.extra = Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]]));
}
