import type { KubeClient } from "@kedge/kube-client";
import type { Message } from "@kedge/protocol";
import { type Clock, Component, type Logger, type MessageBus, toError } from "@kedge/runtime";
import type { CloudMessages, CloudNotices } from "../cloud-messages.ts";
import { ClusterView } from "./cluster-view.ts";
import { Downstream } from "./downstream.ts";
import { LeaseRenewals } from "./lease-renewals.ts";
import { Upstream } from "./upstream.ts";

export interface EdgeControllerDeps {
  readonly kube: KubeClient;
  readonly bus: MessageBus<CloudMessages, CloudNotices>;
  readonly logger: Logger;
  readonly clock: Clock;
  /** This instance's address, as nodes know it. */
  readonly address: string;
}

/** Between the Kubernetes API and the nodes: their pods go down, what they report and ask goes up. */
export class EdgeController extends Component {
  /** What of the cluster concerns edge nodes; SyncController compares with it. */
  readonly view: ClusterView;
  readonly #scope: AsyncDisposableStack;

  private constructor(view: ClusterView, scope: AsyncDisposableStack) {
    super();
    this.view = view;
    this.#scope = scope;
  }

  /** @throws the signal's reason if it aborts before the cluster is read. */
  static async start(deps: EdgeControllerDeps, signal: AbortSignal): Promise<EdgeController> {
    await using scope = new AsyncDisposableStack();
    const { kube, bus, logger, clock, address } = deps;
    const view = scope.use(await ClusterView.start({ kube, logger, clock }, signal));
    scope.use(new Downstream({ bus, view, logger, clock }));
    const life = new AbortController();
    scope.defer(() => life.abort(new DOMException("EdgeController stopped", "AbortError")));
    const send = (message: Message) => {
      bus.request("hub/send", message, life.signal).catch((error: unknown) => {
        if (!life.signal.aborted) logger.error({ route: message.route, error: toError(error) }, "not sent");
      });
    };
    const upstream = new Upstream({ kube, view, logger, send, address });
    scope.use(bus.handle("edge/upstream", (request, hubSignal) => upstream.handle(request, hubSignal)));
    const leases = new LeaseRenewals(kube, clock);
    scope.use(bus.handle("edge/renewLease", ({ node }, hubSignal) => leases.renew(node, hubSignal)));
    scope.use(bus.listen("hub/session", ({ node, connected }) => void (connected || leases.forget(node))));
    return new EdgeController(view, scope.move());
  }

  protected override async stop(): Promise<void> {
    await this.#scope.disposeAsync();
  }
}
