import { type HttpTarget, httpGet, urlOf } from "./http-get.ts";
import { failed, type ProbeOutcome, succeeded } from "./probe-outcome.ts";
import { DeadlineError, withDeadline } from "../with-deadline.ts";

/** Well is whom a GET brings 200 … 399. A redirect to another host is not followed: that host is not asked for. */
export async function httpProbe(target: HttpTarget, timeoutMs: number, signal: AbortSignal): Promise<ProbeOutcome> {
  try {
    const { status, body } = await withDeadline(timeoutMs, signal, (late) => httpGet(target, late));
    if (status >= 300 && status < 400)
      return { result: "warning", output: `Probe terminated redirects, Response body: ${body}` };
    // What the server says may be secret: users who may read events need not be those who may ask it.
    return status >= 200 && status < 300 ? succeeded(body) : failed(`HTTP probe failed with statuscode: ${status}`);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof DeadlineError)
      return failed(`Get "${urlOf(target)}": ${error.message} (Client.Timeout exceeded while awaiting headers)`);
    return failed((error as Error).message);
  }
}
