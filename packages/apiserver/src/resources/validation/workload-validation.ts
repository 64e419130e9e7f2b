import {
  type FieldError,
  forbiddenError,
  invalidError,
  labelKeyProblem,
  labelValueProblem,
  type LabelSelector,
  notSupportedError,
  type PodTemplateSpec,
  requiredError,
  selectorMatches,
} from "@kedge/kube";
import { annotationErrors, labelErrors } from "../metadata-validation.ts";
import { podSpecErrors } from "./pod-spec-validation.ts";

const OPERATORS = ["In", "NotIn", "Exists", "DoesNotExist"];

/** A count that must not be negative. */
export function countErrors(count: number | undefined, field: string): FieldError[] {
  return count === undefined || count >= 0 ? [] : [invalidError(field, count, "must be greater than or equal to 0")];
}

/** `maxUnavailable` and `maxSurge`: counts or percentages, not both zero. */
export function rollingCountErrors(
  { maxUnavailable = 0, maxSurge = 0 }: { maxUnavailable?: number | string; maxSurge?: number | string },
  field: string,
): FieldError[] {
  const errors = [
    ...countOrPercentErrors(maxUnavailable, `${field}.maxUnavailable`),
    ...countOrPercentErrors(maxSurge, `${field}.maxSurge`),
  ];
  if (
    errors.length === 0 &&
    Number.parseInt(String(maxUnavailable), 10) === 0 &&
    Number.parseInt(String(maxSurge), 10) === 0
  )
    errors.push(invalidError(`${field}.maxUnavailable`, maxUnavailable, "may not be 0 when `maxSurge` is 0"));
  return errors;
}

export function countOrPercentErrors(value: number | string, field: string): FieldError[] {
  if (typeof value === "number") return countErrors(value, field);
  return /^\d+%$/.test(value)
    ? []
    : [
        invalidError(
          field,
          value,
          "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
        ),
      ];
}

/** A selector must be there, be readable, and select what its template makes. */
export function selectorErrors(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  path: string,
): FieldError[] {
  const field = `${path}.selector`;
  const labels = template?.metadata?.labels;
  const mismatch = invalidError(
    `${path}.template.metadata.labels`,
    labels,
    "`selector` does not match template `labels`",
  );
  if (selector === undefined) return [requiredError(field), mismatch];
  const errors = labelSelectorErrors(selector, field);
  if (errors.length > 0) return [...errors, invalidError(field, selector, "invalid label selector")];
  if (Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0)
    return [invalidError(field, selector, "empty selector is invalid for deployment")];
  return selectorMatches(selector, labels) ? [] : [mismatch];
}

export function labelSelectorErrors(selector: LabelSelector, field: string): FieldError[] {
  const errors = labelErrors(selector.matchLabels, `${field}.matchLabels`);
  for (const [index, { key, operator, values = [] }] of (selector.matchExpressions ?? []).entries()) {
    const at = `${field}.matchExpressions[${index}]`;
    const problem = labelKeyProblem(key);
    if (problem !== undefined) errors.push(invalidError(`${at}.key`, key, problem));
    if (!OPERATORS.includes(operator)) {
      errors.push(invalidError(`${at}.operator`, operator, "not a valid selector operator"));
      continue;
    }
    const wantsValues = operator === "In" || operator === "NotIn";
    if (wantsValues && values.length === 0)
      errors.push(requiredError(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
    if (!wantsValues && values.length > 0)
      errors.push(forbiddenError(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
    for (const [position, value] of values.entries()) {
      const valueProblem = labelValueProblem(value);
      if (valueProblem !== undefined) errors.push(invalidError(`${at}.values[${position}]`, value, valueProblem));
    }
  }
  return errors;
}

/** @param moreVolumes names that volume mounts may refer to besides the template's own volumes. */
export function templateErrors(
  template: PodTemplateSpec | undefined,
  path: string,
  moreVolumes: readonly string[] = [],
  alwaysRestarts = true,
): FieldError[] {
  if (template === undefined) return [requiredError(path)];
  const { metadata, spec } = template;
  const errors = [
    ...labelErrors(metadata?.labels, `${path}.metadata.labels`),
    ...annotationErrors(metadata?.annotations, `${path}.metadata.annotations`),
    ...podSpecErrors(spec, `${path}.spec`, { moreVolumes }),
  ];
  if (alwaysRestarts && spec?.restartPolicy !== undefined && spec.restartPolicy !== "Always")
    errors.push(notSupportedError(`${path}.spec.restartPolicy`, spec.restartPolicy, ["Always"]));
  if (spec?.activeDeadlineSeconds !== undefined && alwaysRestarts)
    errors.push(
      forbiddenError(`${path}.spec.activeDeadlineSeconds`, "activeDeadlineSeconds in ReplicaSet is not Supported"),
    );
  return errors;
}
