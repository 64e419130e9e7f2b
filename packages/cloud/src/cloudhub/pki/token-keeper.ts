import { SECRETS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { Backoff, type Clock, Component, hasCode, isAbort, type Logger, toError } from "@kedge/runtime";
import type { CertificateAuthority } from "./certificate-authority.ts";
import { createJoinToken } from "./join-token.ts";
import { KUBEEDGE_NAMESPACE, saveSecret } from "./secrets.ts";

const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;
const TOKEN_SECRET = "tokensecret";
const TOKEN_KEY = "tokendata";
const RETRY_INITIAL_MS = 1_000;
const RETRY_MAX_MS = 5 * 60_000;

interface TokenKeeperDeps {
  readonly kube: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ca: CertificateAuthority;
}

/** Keeps a valid join token in its Secret; one that could not be stored is tried again until it is (W10). */
export class TokenKeeper extends Component {
  readonly #deps: TokenKeeperDeps;
  readonly #refreshMs: number;
  #running: Promise<void> = Promise.resolve();

  private constructor(refreshHours: number, deps: TokenKeeperDeps) {
    super();
    this.#deps = deps;
    this.#refreshMs = refreshHours * HOUR_MS;
  }

  /** @throws if the first token cannot be stored. */
  static async start(refreshHours: number, deps: TokenKeeperDeps, signal: AbortSignal): Promise<TokenKeeper> {
    const keeper = new TokenKeeper(refreshHours, deps);
    await keeper.#store(signal);
    keeper.#running = keeper.#run();
    return keeper;
  }

  /** Removes the token where nobody may join with it: a door that does not open need not be there. */
  static async withdraw(
    { kube, logger }: Pick<TokenKeeperDeps, "kube" | "logger">,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await kube.delete(SECRETS, { namespace: KUBEEDGE_NAMESPACE, name: TOKEN_SECRET }, signal);
      logger.info({ secret: TOKEN_SECRET }, "the shared join token is switched off and was removed");
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
    }
  }

  async #store(signal: AbortSignal): Promise<void> {
    const { ca, clock, kube } = this.#deps;
    const token = createJoinToken(ca, clock.now() + 2 * this.#refreshMs);
    await saveSecret(kube, TOKEN_SECRET, { [TOKEN_KEY]: Buffer.from(token).toString("base64") }, signal);
  }

  async #run(): Promise<void> {
    const { logger } = this.#deps;
    const backoff = new Backoff({ initialMs: RETRY_INITIAL_MS, maxMs: RETRY_MAX_MS, jitter: 0.2 });
    let waitMs = this.#refreshMs;
    while (!this.signal.aborted) {
      try {
        await this.#sleep(waitMs);
        await this.#store(this.signal);
        backoff.reset();
        waitMs = this.#refreshMs;
      } catch (error) {
        if (isAbort(error, this.signal)) return;
        waitMs = backoff.next();
        logger.warn({ error: toError(error), waitMs }, "could not store a new join token, trying again");
      }
    }
  }

  /** In pieces: a timer of more than 24 days would fire at once. */
  async #sleep(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= DAY_MS) await this.#deps.clock.sleep(Math.min(left, DAY_MS), this.signal);
  }

  protected override async stop(): Promise<void> {
    await this.#running;
  }
}
