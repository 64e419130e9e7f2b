import type { RuntimeStatusAnswer } from "@kedge/cri";

/** What one of the runtime's ways to run a sandbox can do. */
export interface HandlerFeatures {
  readonly recursiveReadOnlyMounts: boolean;
  readonly userNamespaces: boolean;
}

/** What the container runtime says that it can do. A runtime that does not say (containerd before 2.0) can do none of it. */
export interface RuntimeFeatures {
  /** By name; empty: the usual one. */
  readonly handlers: Readonly<Record<string, HandlerFeatures>>;
  readonly supplementalGroupsPolicy: boolean;
}

const NOTHING: HandlerFeatures = { recursiveReadOnlyMounts: false, userNamespaces: false };

export function runtimeFeatures({ runtimeHandlers, features }: RuntimeStatusAnswer): RuntimeFeatures {
  return {
    handlers: Object.fromEntries(
      runtimeHandlers.map(({ name, features: can }) => [
        name,
        {
          recursiveReadOnlyMounts: can?.recursiveReadOnlyMounts === true,
          userNamespaces: can?.userNamespaces === true,
        },
      ]),
    ),
    supplementalGroupsPolicy: features?.supplementalGroupsPolicy === true,
  };
}

export function featuresOf(features: RuntimeFeatures | undefined, handler: string): HandlerFeatures {
  const { handlers = {} } = features ?? {};
  return (Object.hasOwn(handlers, handler) ? handlers[handler] : undefined) ?? NOTHING;
}
