/**
 * Replaces `$(NAME)` by the variable's value; `$$` is a literal `$`, and what nobody defines stays as it is written.
 *
 * @see Kubernetes API documentation of `Container.args` and `EnvVar.value`.
 */
export function expandVariables(text: string, lookup: (name: string) => string | undefined): string {
  let expanded = "";
  let from = 0;
  for (let at = text.indexOf("$"); at !== -1; at = text.indexOf("$", from)) {
    expanded += text.slice(from, at);
    const next = text[at + 1];
    const end = next === "(" ? text.indexOf(")", at + 2) : -1;
    if (next === "$") {
      expanded += "$";
      from = at + 2;
    } else if (end !== -1) {
      expanded += lookup(text.slice(at + 2, end)) ?? text.slice(at, end + 1);
      from = end + 1;
    } else {
      expanded += "$";
      from = at + 1;
    }
  }
  return expanded + text.slice(from);
}

/** A container's `command` or `args` with the container's own variables filled in. */
export function expandArguments(
  words: readonly string[] | undefined,
  environment: readonly { readonly name: string; readonly value: string }[],
): string[] {
  const values = new Map(environment.map(({ name, value }) => [name, value]));
  return (words ?? []).map((word) => expandVariables(word, (name) => values.get(name)));
}
