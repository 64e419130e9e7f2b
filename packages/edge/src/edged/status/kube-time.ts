/** As `metav1.Time` is written: UTC, whole seconds. 0 is Go's zero time, which the API server takes for none. */
export function toTime(unixMs: number): string {
  return `${new Date(unixMs).toISOString().slice(0, 19)}Z`;
}

/** @returns NaN when it is not a time. */
export function parseTime(time: string | undefined): number {
  return time === undefined ? Number.NaN : Date.parse(time);
}
