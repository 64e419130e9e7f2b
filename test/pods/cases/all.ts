import type { PodTheme } from "../pod-case.ts";
import { ENVIRONMENT } from "./environment.ts";

export const THEMES: readonly PodTheme[] = [ENVIRONMENT];
