/** As Go prints a duration of whole seconds: `10s`, `1m20s`, `5m0s`. */
export function formatGoDuration(ms: number): string {
  const total = Math.round(ms / 1000);
  const minutes = Math.floor(total / 60);
  const hours = Math.floor(minutes / 60);
  const tail = `${total % 60}s`;
  if (hours > 0) return `${hours}h${minutes % 60}m${tail}`;
  return minutes > 0 ? `${minutes}m${tail}` : tail;
}
