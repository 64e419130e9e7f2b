import mqttPacket from "mqtt-packet";

/**
 * Keeps the MQTT packet writer, which client and broker share, from making 65,536 small buffers for the numbers that it
 * may have to write: they would cost the agent 11 MB. To be called before the first packet.
 */
export function writePacketsLean(): void {
  mqttPacket.writeToStream.cacheNumbers = false;
}
