/** A broker that EventBus publishes on and listens to: somebody else's, or its own. */
export interface MqttBroker extends AsyncDisposable {
  /** Resolves when subscriptions are in force for the first time. */
  readonly ready: Promise<void>;
  /** Takes the publication and returns; it waits, bounded, while the broker is away. */
  publish(topic: string, payload: string): void;
  /** Resolves once it is in force; at once while the broker is away, for it will be on connecting. */
  subscribe(filter: string): Promise<void>;
  unsubscribe(filter: string): Promise<void>;
}

/** What a broker does with a publication of a client; the client hears that it is accepted once this resolves. */
export type Receive = (topic: string, payload: Buffer) => Promise<void>;
