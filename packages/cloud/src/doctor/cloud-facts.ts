import type { X509Certificate } from "node:crypto";
import type { CloudCoreConfig } from "@kedge/api";
import type { KubeClient } from "@kedge/kube-client";

/** What one check finds and later ones build on. */
export interface CloudFacts {
  readonly configPath: string;
  /** Absent: the file cannot be used, and nothing else can be checked. */
  config?: CloudCoreConfig;
  /** Absent: there is no API server to ask. */
  kube?: KubeClient;
  ca?: X509Certificate;
  /** What a running cloudcore's monitor server answers. */
  monitor?: { readonly ready: boolean; readonly readyText: string; readonly metrics: string };
}

export const NEEDS_CONFIG = "needs the configuration";
export const NEEDS_API = "needs the API server";
