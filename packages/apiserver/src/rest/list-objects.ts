import type { KubeApiError, ListMeta } from "@kedge/kube";
import { type ApiResponse, jsonResponse } from "../http/api-exchange.ts";
import { decodeContinueToken, encodeContinueToken } from "../storage/continue-token.ts";
import type { StoredObject } from "../storage/stored-object.ts";
import type { ApiContext } from "./api-context.ts";
import { presenterOf } from "./get-object.ts";
import { prefixOfRequest, type ResourceRequest } from "./resource-request.ts";
import { asApiError, countOf, revisionOf } from "./revision-query.ts";
import { type Selection, selectionOf } from "./selection.ts";
import { badRequest, invalid } from "./status-error.ts";

/** Objects read at a time while a selector looks for enough of them. */
const SCAN_OBJECTS = 500;

interface Page {
  readonly revision: number;
  readonly items: StoredObject[];
  readonly metadata: ListMeta;
}

/** `GET …` of a collection: everything, or a page of the state that the first page showed. */
export function listObjects(context: ApiContext, request: ResourceRequest): ApiResponse {
  const presenter = presenterOf(context, request);
  try {
    const { items, metadata } = readPage(context, request);
    return jsonResponse(200, presenter.list(items, metadata));
  } catch (error) {
    throw asApiError(error);
  }
}

export function readPage(context: ApiContext, request: ResourceRequest): Page {
  const { query } = request.http;
  const selection = selectionOf(query, request.definition);
  const prefix = prefixOfRequest(request);
  const limit = countOf(query, "limit") ?? 0;
  const { revision, startAfter, atRevision } = whereToStart(context, query, prefix);
  const scan = (after: string | undefined, count: number | undefined) =>
    context.log.list(prefix, { startAfter: after, limit: count, atRevision });

  if (limit === 0) {
    const items = scan(startAfter, undefined).filter((item) => selection.all || selection.selects(item));
    return { revision, items, metadata: { resourceVersion: String(revision) } };
  }
  const items = collect(scan, selection, startAfter, limit + 1); // one more tells whether there is a next page
  const more = items.length > limit;
  if (more) items.pop();
  const last = items.at(-1)?.key;
  const metadata: ListMeta = { resourceVersion: String(revision) };
  if (more && last !== undefined) {
    metadata.continue = encodeContinueToken({ revision, startAfter: last.slice(prefix.length) });
    if (selection.all && atRevision === undefined) metadata.remainingItemCount = context.log.count(prefix, last);
  }
  return { revision, items, metadata };
}

function collect(
  scan: (after: string | undefined, count: number) => StoredObject[],
  selection: Selection,
  startAfter: string | undefined,
  wanted: number,
): StoredObject[] {
  if (selection.all) return scan(startAfter, wanted);
  const found: StoredObject[] = [];
  for (let after = startAfter; found.length < wanted;) {
    const scanned = scan(after, SCAN_OBJECTS);
    for (const item of scanned) if (found.length < wanted && selection.selects(item)) found.push(item);
    if (scanned.length < SCAN_OBJECTS) break;
    after = scanned.at(-1)?.key;
  }
  return found;
}

interface Start {
  /** Of the state that the list shows. */
  readonly revision: number;
  readonly startAfter: string | undefined;
  /** Absent: now. */
  readonly atRevision: number | undefined;
}

function whereToStart(context: ApiContext, query: URLSearchParams, prefix: string): Start {
  const token = query.get("continue") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  const revision = revisionOf(query);
  const now: Start = { revision: context.log.revision, startAfter: undefined, atRevision: undefined };
  if (token !== "") {
    if (match !== "") throw badListOptions("is forbidden for continue");
    if (revision !== undefined && revision !== 0)
      throw badRequest("specifying resource version is not allowed when using continue");
    const decoded = decodeContinueToken(token);
    if (decoded === undefined) throw badRequest("continue key is not valid");
    return {
      revision: decoded.revision,
      startAfter: prefix + decoded.startAfter,
      atRevision: decoded.revision === now.revision ? undefined : decoded.revision,
    };
  }
  switch (match) {
    case "":
    case "NotOlderThan":
      if (match !== "" && revision === undefined)
        throw badListOptions("is forbidden unless resourceVersion is provided");
      if (revision !== undefined) context.log.checkRevision(Math.max(revision, context.log.compactedRevision));
      return now;
    case "Exact":
      if (revision === undefined || revision === 0)
        throw badListOptions('"Exact" is forbidden for resourceVersion "0" or none');
      return { revision, startAfter: undefined, atRevision: revision };
    default:
      throw badListOptions(`unsupported value ${JSON.stringify(match.slice(0, 100))}`);
  }
}

function badListOptions(because: string): KubeApiError {
  const field = "resourceVersionMatch";
  const message = `Forbidden: resourceVersionMatch ${because}`;
  return invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", [
    { field, reason: "FieldValueForbidden", message },
  ]);
}
