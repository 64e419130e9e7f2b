import { KubeApiError } from "@kedge/kube";
import type { ApiResponse } from "../http/api-exchange.ts";
import { selectChange } from "../watch/select-change.ts";
import type { ApiContext } from "./api-context.ts";
import { presenterOf } from "./get-object.ts";
import type { Presenter } from "./present.ts";
import { isTrue } from "./request-info.ts";
import { prefixOfRequest, type ResourceRequest } from "./resource-request.ts";
import { asApiError, countOf, revisionOf } from "./revision-query.ts";
import { type Selection, selectionOf } from "./selection.ts";
import { badRequest, tooManyRequests } from "./status-error.ts";

/** A watch without `timeoutSeconds` ends after this, so that no forgotten one lives for ever; the client begins anew. */
export const WATCH_DURATION_MS_MAX = 3_600_000;
const BOOKMARK_INTERVAL_MS = 30_000;
/** One part of the stream holds at most so many events. */
const CHUNK_EVENTS_MAX = 200;
const INITIAL_EVENTS_END = "k8s.io/initial-events-end";

interface WatchPlan {
  readonly presenter: Presenter;
  readonly selection: Selection;
  /** Send what is there already, as `ADDED`. */
  readonly initial: boolean;
  /** Say where the initial events end: `sendInitialEvents`. */
  readonly announceEnd: boolean;
  readonly bookmarks: boolean;
  readonly durationMs: number;
  readonly revision: number;
}

/** `GET …?watch=1`: one JSON document a line, as long as the caller likes. */
export function watchObjects(context: ApiContext, request: ResourceRequest): ApiResponse {
  const plan = planWatch(context, request);
  return {
    status: 200,
    headers: { "content-type": "application/json", "cache-control": "no-cache, private" },
    body: streamOf(context, request, plan),
  };
}

function planWatch(context: ApiContext, request: ResourceRequest): WatchPlan {
  const { query } = request.http;
  const revision = revisionOf(query) ?? 0;
  const bookmarks = isTrue(query.get("allowWatchBookmarks"));
  const announceEnd = isTrue(query.get("sendInitialEvents"));
  if (announceEnd && query.get("resourceVersionMatch") !== "NotOlderThan")
    throw badRequest("sendInitialEvents requires resourceVersionMatch=NotOlderThan");
  const timeoutMs = (countOf(query, "timeoutSeconds") ?? 0) * 1000;
  const presenter = presenterOf(context, request);
  const selection = selectionOf(query, request.definition);
  const initial = revision === 0 || announceEnd;
  if (context.hub.full) throw tooManyRequests("too many watches are open, try again later", 1);
  try {
    if (initial && revision > 0) context.log.checkRevision(Math.max(revision, context.log.compactedRevision));
  } catch (error) {
    throw asApiError(error);
  }
  const durationMs = timeoutMs > 0 ? Math.min(timeoutMs, WATCH_DURATION_MS_MAX) : WATCH_DURATION_MS_MAX;
  const from = initial ? context.log.revision : revision;
  return { presenter, selection, initial, announceEnd, bookmarks, durationMs, revision: from };
}

async function* streamOf(context: ApiContext, request: ResourceRequest, plan: WatchPlan): AsyncGenerator<string> {
  const { presenter, bookmarks } = plan;
  const { clock } = context;
  const { signal } = request.http;
  const endsAtMs = clock.monotonic() + plan.durationMs;
  const encoder = new EventEncoder(plan);
  try {
    // Here, not before: a stream that nobody begins to read must not keep a watcher. A forgotten revision is told as an event.
    using watcher = context.hub.watch(prefixOfRequest(request), plan.revision);
    if (plan.initial) yield* initialEvents(context, request, plan, encoder);
    let bookmarkAtMs = clock.monotonic() + BOOKMARK_INTERVAL_MS;
    while (!signal.aborted && !watcher.disposed) {
      const changes = watcher.take();
      const lines: string[] = [];
      for (const change of changes) {
        const selected = selectChange(change, (state) => plan.selection.selects(state));
        if (selected !== undefined) lines.push(encoder.event(selected.type, selected.stored, selected.revision));
        if (lines.length === CHUNK_EVENTS_MAX) yield lines.splice(0).join("");
      }
      if (lines.length > 0) yield lines.join("");
      if (changes.length > 0) continue;
      const nowMs = clock.monotonic();
      if (nowMs >= endsAtMs) break;
      if (bookmarks && nowMs >= bookmarkAtMs) {
        yield bookmarkLine(presenter.bookmark(watcher.revision));
        bookmarkAtMs = nowMs + BOOKMARK_INTERVAL_MS;
      }
      await watcher.wait(Math.max(1, Math.min(endsAtMs, bookmarkAtMs) - nowMs), signal);
    }
    // So that the client's next watch begins as late as possible.
    if (bookmarks && !signal.aborted && !watcher.disposed) yield bookmarkLine(presenter.bookmark(watcher.revision));
  } catch (error) {
    const explained = asApiError(error);
    if (!(explained instanceof KubeApiError)) throw error;
    yield `{"type":"ERROR","object":${JSON.stringify(explained.status)}}\n`;
  }
}

async function* initialEvents(
  { log }: ApiContext,
  request: ResourceRequest,
  { selection, revision, presenter, announceEnd, bookmarks }: WatchPlan,
  encoder: EventEncoder,
): AsyncGenerator<string> {
  const prefix = prefixOfRequest(request);
  // Page by page in the state of one revision; the watcher has everything after it.
  for (let startAfter: string | undefined; ;) {
    const items = log.list(prefix, {
      startAfter,
      limit: CHUNK_EVENTS_MAX,
      atRevision: log.revision === revision ? undefined : revision,
    });
    const lines = items
      .filter((item) => selection.all || selection.selects(item))
      .map((item) => encoder.event("ADDED", item, item.revision));
    if (lines.length > 0) yield lines.join("");
    if (items.length < CHUNK_EVENTS_MAX) break;
    startAfter = items.at(-1)?.key;
  }
  if (announceEnd && bookmarks) yield bookmarkLine(presenter.bookmark(revision, { [INITIAL_EVENTS_END]: "true" }));
}

function bookmarkLine(object: string): string {
  return `{"type":"BOOKMARK","object":${object}}\n`;
}

class EventEncoder {
  readonly #presenter: Presenter;
  #first = true;

  constructor({ presenter }: WatchPlan) {
    this.#presenter = presenter;
  }

  event(type: string, stored: Parameters<Presenter["event"]>[0], revision: number): string {
    const line = `{"type":"${type}","object":${this.#presenter.event(stored, revision, this.#first)}}\n`;
    this.#first = false;
    return line;
  }
}
