import { type Lease, LEASES, type ObjectKey } from "@kedge/kube";
import {
  forbidden,
  objectContent,
  type UpstreamHandler,
  type UpstreamRequest,
  withoutEmptyTimes,
  withoutManagedFields,
} from "./upstream-request.ts";

const NODE_LEASES = "kube-node-lease";

function ownLease({ node, key }: UpstreamRequest): Required<ObjectKey> & { namespace: string } {
  if (key.namespace !== NODE_LEASES || key.name !== node)
    throw forbidden(`node ${node} may not touch lease ${key.namespace}/${key.name}`);
  return { namespace: NODE_LEASES, name: node };
}

function leaseContent(request: UpstreamRequest): Lease {
  const key = ownLease(request);
  const lease = withoutEmptyTimes(objectContent<Lease>(request));
  return { ...lease, metadata: { ...lease.metadata, ...key } };
}

export const createLease: UpstreamHandler = {
  may: "create its own lease",
  answer: "object",
  run: async (request, { kube }, signal) =>
    withoutManagedFields(await kube.create(LEASES, leaseContent(request), signal)),
};

export const updateLease: UpstreamHandler = {
  may: "renew its own lease",
  answer: "object",
  run: async (request, { kube }, signal) =>
    withoutManagedFields(await kube.update(LEASES, leaseContent(request), signal)),
};

export const queryLease: UpstreamHandler = {
  may: "read its own lease",
  answer: "object",
  run: async (request, { kube }, signal) => withoutManagedFields(await kube.get(LEASES, ownLease(request), signal)),
};
