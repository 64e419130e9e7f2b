import type { LabelSelector } from "kubernetes-types/meta/v1.js";
import { ownMember } from "../json.ts";
import { labelKeyProblem, labelValueProblem } from "../names.ts";
import { SelectorError } from "./selector-error.ts";

export type LabelOperator = "in" | "notin" | "exists" | "!exists" | "gt" | "lt";

/** One condition on labels; all of a selector's conditions must hold. */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  readonly values: readonly string[];
}

type Labels = Readonly<Record<string, string>> | undefined;

/** Whether all requirements hold; none at all selects everything. */
export function matchesLabels(requirements: readonly LabelRequirement[], labels: Labels): boolean {
  return requirements.every((requirement) => matchesOne(requirement, labels));
}

function matchesOne({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "in":
      return value !== undefined && values.includes(value);
    case "notin":
      return value === undefined || !values.includes(value);
    case "exists":
      return value !== undefined;
    case "!exists":
      return value === undefined;
    case "gt":
    case "lt": {
      if (value === undefined || !/^-?\d+$/.test(value)) return false;
      const limit = BigInt(values[0] ?? "0");
      return operator === "gt" ? BigInt(value) > limit : BigInt(value) < limit;
    }
  }
}

/**
 * Turns the object form (`matchLabels`, `matchExpressions`) into requirements.
 *
 * @returns undefined for an absent selector, which selects nothing; `{}` selects everything.
 * @throws SelectorError for an unknown operator, or values where none belong.
 */
export function requirementsOf(selector: LabelSelector | undefined): LabelRequirement[] | undefined {
  if (selector === undefined) return undefined;
  const requirements: LabelRequirement[] = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: "in",
    values: [value],
  }));
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const known = ownMember(OPERATORS, operator);
    if (known === undefined)
      throw new SelectorError(`"${operator}" is not a valid label selector operator`, JSON.stringify(selector));
    const wantsValues = known === "in" || known === "notin";
    if (wantsValues !== values.length > 0)
      throw new SelectorError(
        `operator ${operator} of label ${key} ${wantsValues ? "needs at least one value" : "takes no values"}`,
        JSON.stringify(selector),
      );
    requirements.push({ key, operator: known, values });
  }
  return requirements;
}

const OPERATORS: Readonly<Record<string, LabelOperator>> = {
  In: "in",
  NotIn: "notin",
  Exists: "exists",
  DoesNotExist: "!exists",
};

/** Whether a selector of an object (a Service's, a Deployment's) selects these labels; an absent one selects nothing. */
export function selectorMatches(selector: LabelSelector | undefined, labels: Labels): boolean {
  const requirements = requirementsOf(selector);
  return requirements !== undefined && matchesLabels(requirements, labels);
}

/** The string form, with keys sorted: what `kubectl get -o wide` shows and the scale subresource carries. */
export function formatLabelSelector(requirements: readonly LabelRequirement[]): string {
  return requirements
    .toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(formatRequirement)
    .join(",");
}

function formatRequirement({ key, operator, values }: LabelRequirement): string {
  switch (operator) {
    case "in":
      return values.length === 1 ? `${key}=${values[0] ?? ""}` : `${key} in (${values.toSorted().join(",")})`;
    case "notin":
      return values.length === 1 ? `${key}!=${values[0] ?? ""}` : `${key} notin (${values.toSorted().join(",")})`;
    case "exists":
      return key;
    case "!exists":
      return `!${key}`;
    case "gt":
      return `${key}>${values[0] ?? ""}`;
    case "lt":
      return `${key}<${values[0] ?? ""}`;
  }
}

const TERM =
  /\s*(?:(?<absent>!)\s*)?(?<key>[^\s!=<>(),]+)(?:\s*(?<set>in|notin)\s*\((?<list>[^()]*)\)|\s*(?<op>==|=|!=|>|<)\s*(?<value>[^\s!=<>(),]*))?\s*(?:,|$)/y;

/**
 * Reads the string form: `app=web,tier in (a,b),!old,env!=test,cpu>4`.
 *
 * @throws SelectorError naming what cannot be read, or a bad key or value.
 */
export function parseLabelSelector(text: string): LabelRequirement[] {
  const requirements: LabelRequirement[] = [];
  if (text.trim() === "") return requirements;
  for (let position = 0; position < text.length; position = TERM.lastIndex) {
    TERM.lastIndex = position;
    const groups = TERM.exec(text)?.groups;
    if (groups === undefined)
      throw new SelectorError(
        `unable to parse requirement: cannot understand '${text.slice(position)}' in label selector '${text}'`,
        text,
      );
    requirements.push(checked(requirementFrom(groups, text), text));
    if (TERM.lastIndex === text.length && text.trimEnd().endsWith(","))
      throw new SelectorError(`unable to parse requirement: found ',' at the end of label selector '${text}'`, text);
  }
  return requirements;
}

function requirementFrom(groups: Record<string, string | undefined>, text: string): LabelRequirement {
  const { absent, key = "", set, list = "", op, value = "" } = groups;
  if (absent !== undefined) {
    if (set !== undefined || op !== undefined)
      throw new SelectorError(
        `unable to parse requirement: '!${key}' takes no value in label selector '${text}'`,
        text,
      );
    return { key, operator: "!exists", values: [] };
  }
  if (set === "in" || set === "notin") return { key, operator: set, values: list.split(",").map((v) => v.trim()) };
  if (op === ">" || op === "<") {
    if (!/^\d+$/.test(value))
      throw new SelectorError(`unable to parse requirement: '${key}${op}' needs an integer in '${text}'`, text);
    return { key, operator: op === ">" ? "gt" : "lt", values: [value] };
  }
  if (op !== undefined) return { key, operator: op === "!=" ? "notin" : "in", values: [value] };
  return { key, operator: "exists", values: [] };
}

function checked(requirement: LabelRequirement, text: string): LabelRequirement {
  const problem =
    labelKeyProblem(requirement.key) ??
    (requirement.operator === "gt" || requirement.operator === "lt"
      ? undefined
      : requirement.values.map(labelValueProblem).find((found) => found !== undefined));
  if (problem !== undefined)
    throw new SelectorError(`unable to parse requirement: ${problem} in label selector '${text}'`, text);
  return requirement;
}
