export interface LogindConfig {
  /** Of the system's bus, as D-Bus writes addresses; `undefined`: where it is by default. */
  readonly busAddress: string | undefined;
  /** Where logind's own settings may be added to. */
  readonly configDirectory: string;
  /** Runs the command that follows while holding the lock. */
  readonly inhibitCommand: readonly string[];
}

export const LOGIND_DEFAULTS: LogindConfig = {
  busAddress: process.env["DBUS_SYSTEM_BUS_ADDRESS"],
  configDirectory: "/etc/systemd/logind.conf.d",
  inhibitCommand: [
    "systemd-inhibit",
    "--what=shutdown",
    "--mode=delay",
    "--who=edgecore",
    "--why=Pods need time to end before the node goes down",
  ],
};
