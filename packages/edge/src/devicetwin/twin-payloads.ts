/**
 * What DeviceTwin says and hears on MQTT and on the channel to the cloud. Member names are the wire's own; absent and
 * `null` differ. @see `devices-and-messaging` §3.4
 */
export interface TwinValue {
  readonly value?: string;
  readonly metadata?: { readonly timestamp: number };
}

export interface TwinVersion {
  readonly cloud: number;
  readonly edge: number;
}

/** One property; versions travel to the cloud only, never on MQTT. */
export interface MsgTwin {
  readonly expected?: TwinValue;
  readonly actual?: TwinValue;
  readonly optional?: boolean;
  readonly metadata?: { readonly type: string };
  readonly expected_version?: TwinVersion;
  readonly actual_version?: TwinVersion;
}

export interface TwinDocumentEntry {
  readonly last: MsgTwin | null;
  readonly current: MsgTwin | null;
}

export interface MsgAttr {
  readonly value: string;
  readonly optional?: boolean;
  readonly metadata?: { readonly type: string };
}

/** A device as membership messages have it. */
export interface DeviceElement {
  readonly id: string;
  readonly name?: string;
  readonly description?: string;
  readonly state?: string;
  readonly last_online?: string;
  readonly attributes?: Readonly<Record<string, MsgAttr | null>>;
  readonly twin?: Readonly<Record<string, MsgTwin | null>>;
}

/** Codes of error payloads, as in HTTP. */
export const PayloadErrorCode = { badRequest: 400, notFound: 404, internal: 500 } as const;
