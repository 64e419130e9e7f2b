import type { Container } from "@kedge/kube";
import { ProbeError } from "./probe-error.ts";

/** @param port a number, or the name of one of the container's ports. @throws ProbeError `BadPort` */
export function containerPort(port: number | string, { ports = [] }: Pick<Container, "ports">): number {
  const named = typeof port === "string" ? ports.find(({ name }) => name === port)?.containerPort : undefined;
  const number = named ?? (typeof port === "number" || /^\d{1,5}$/.test(port) ? Number(port) : undefined);
  if (number === undefined) throw new ProbeError(`port ${port} not found`, { code: "BadPort" });
  if (number < 1 || number > 65_535) throw new ProbeError(`invalid port number: ${number}`, { code: "BadPort" });
  return number;
}
