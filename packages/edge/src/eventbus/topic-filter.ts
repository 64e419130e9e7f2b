const TOPIC_BYTES_MAX = 65_535;

/** Whether one may publish on `topic`. */
export function isTopic(topic: string): boolean {
  return topic !== "" && Buffer.byteLength(topic) <= TOPIC_BYTES_MAX && !/[+#\0]/.test(topic);
}

/** Whether one may subscribe to `filter`: wildcards stand for whole levels, `#` for the last ones. */
export function isTopicFilter(filter: string): boolean {
  if (filter === "" || Buffer.byteLength(filter) > TOPIC_BYTES_MAX || filter.includes("\0")) return false;
  const levels = filter.split("/");
  return levels.every(
    (level, index) =>
      level === "+" || (level === "#" && index === levels.length - 1) || !(level.includes("+") || level.includes("#")),
  );
}

/** Whether a subscription to `filter` receives `topic`, by MQTT 3.1.1 §4.7. */
export function matchesFilter(filter: string, topic: string): boolean {
  // A wildcard in the first place does not see the broker's own topics.
  if (topic.startsWith("$") && /^[+#]/.test(filter)) return false;
  const wanted = filter.split("/");
  const levels = topic.split("/");
  for (const [index, level] of wanted.entries()) {
    if (level === "#") return true; // also the level above: `a/#` receives `a`
    if (index >= levels.length || (level !== "+" && level !== levels[index])) return false;
  }
  return wanted.length === levels.length;
}
