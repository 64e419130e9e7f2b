import "reflect-metadata"; // @peculiar/x509 needs it before it loads
import {
  createHash,
  createPrivateKey,
  verify,
  type webcrypto as WebCrypto,
  webcrypto,
  X509Certificate as NodeCertificate,
} from "node:crypto";
import { once } from "node:events";
import type { IncomingHttpHeaders } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Pkcs10CertificateRequest,
  type PublicKey,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { KEDGE_CHANNEL_HEADER, type Message } from "@kedge/protocol";
import { silentLogger } from "@kedge/runtime";
import {
  type LinkRefusal,
  type LinkRequest,
  type TlsIdentity,
  type WebSocketLink,
  WebSocketServer,
} from "@kedge/transport";
import type { TestChannel } from "./test-channel.test-data.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY_MS = 24 * 60 * 60_000;

interface IssueOptions {
  readonly subject: string;
  readonly publicKey: PublicKey | WebCrypto.CryptoKey;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly server?: boolean;
}

function pem(der: ArrayBuffer): string {
  return createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" })
    .export({ type: "pkcs8", format: "pem" })
    .toString();
}

/** An authority as cloudcore has one. */
export class TestAuthority {
  readonly certificate: X509Certificate;
  readonly #keys: WebCrypto.CryptoKeyPair;
  #serial = 0;

  private constructor(certificate: X509Certificate, keys: WebCrypto.CryptoKeyPair) {
    this.certificate = certificate;
    this.#keys = keys;
  }

  static async create(): Promise<TestAuthority> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
    const certificate = await X509CertificateGenerator.createSelfSigned({
      serialNumber: "0400",
      name: "CN=KubeEdge",
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + 365 * DAY_MS),
      keys,
      signingAlgorithm: ALGORITHM,
      extensions: [new BasicConstraintsExtension(true, undefined, true)],
    });
    return new TestAuthority(certificate, keys);
  }

  get der(): Buffer {
    return Buffer.from(this.certificate.rawData);
  }

  get hash(): string {
    return createHash("sha256").update(this.der).digest("hex");
  }

  issue({ subject, publicKey, notBefore, notAfter, server = false }: IssueOptions): Promise<X509Certificate> {
    this.#serial += 1;
    return X509CertificateGenerator.create({
      serialNumber: `01${this.#serial.toString(16).padStart(4, "0")}`,
      subject,
      issuer: this.certificate.subject,
      notBefore: notBefore ?? new Date(Date.now() - DAY_MS),
      notAfter: notAfter ?? new Date(Date.now() + 30 * DAY_MS),
      publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new ExtendedKeyUsageExtension([server ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth]),
        ...(server ? [new SubjectAlternativeNameExtension([{ type: "ip", value: "127.0.0.1" }])] : []),
      ],
    });
  }

  async identity(subject: string, options: Partial<IssueOptions> = {}): Promise<TlsIdentity> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
    const certificate = await this.issue({ subject, publicKey: keys.publicKey, ...options });
    const key = pem(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
    return { cert: certificate.toString("pem"), key, ca: this.certificate.toString("pem") };
  }
}

function provesKey(headers: IncomingHttpHeaders, csr: Buffer): boolean {
  const [certificate, proof] = [headers["kedge-renewal"], headers["kedge-renewal-proof"]];
  if (typeof certificate !== "string" || typeof proof !== "string") return false;
  const { publicKey } = new NodeCertificate(Buffer.from(certificate, "base64"));
  return verify("sha256", csr, { key: publicKey, dsaEncoding: "der" }, Buffer.from(proof, "base64"));
}

/** A JWT in form only: the test cloud knows its tokens by heart. */
export function bearer(expiresSeconds: number): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "HS256", typ: "JWT" })}.${part({ exp: expiresSeconds })}.c2lnbmF0dXJl`;
}

export interface CertificateRequestSeen {
  readonly authorization: string | undefined;
  readonly nodeName: string | undefined;
  readonly byCertificate: boolean;
  readonly csr: Pkcs10CertificateRequest;
}

/**
 * A cloudcore as far as EdgeHub sees it: the certificate endpoints, and the WebSocket, whose answers the test scripts.
 * Real TLS servers on loopback.
 */
export class TestCloud implements AsyncDisposable {
  readonly authority: TestAuthority;
  readonly bearer = bearer(Date.now() / 1000 + 3600);
  readonly certificateRequests: CertificateRequestSeen[] = [];
  readonly links: WebSocketLink[] = [];
  readonly linkRequests: LinkRequest[] = [];
  /** Nodes that `/node/{name}` knows. */
  readonly nodes = new Set<string>();
  readonly received: Message[] = [];
  /** What to do with each message; may answer. */
  onMessage: (message: Message, link: WebSocketLink) => void = () => undefined;
  admit: (request: LinkRequest) => LinkRefusal | undefined = () => undefined;
  /** As a cloud of ours does, with proof of the old certificate's key. */
  renewsExpired = false;
  /** Makes this a cloud of ours; absent: a stock one. */
  channel: TestChannel | undefined;
  /** What it says to a token that it does not know; a stock cloud says this. */
  refusal = "Invalid authorization token";
  issued: Pick<IssueOptions, "notBefore" | "notAfter"> = {};
  readonly #identity: TlsIdentity;
  readonly #https: Server;
  #webSocket: WebSocketServer | undefined;
  #port = 0;
  readonly #waiters = new Set<() => void>();

  private constructor(authority: TestAuthority, identity: TlsIdentity) {
    this.authority = authority;
    this.#identity = identity;
    this.#https = createServer(
      { cert: identity.cert, key: identity.key, ca: identity.ca, requestCert: true, rejectUnauthorized: false },
      (request, response) => {
        if (request.url === "/ca.crt") return void response.end(authority.der);
        if (request.url?.startsWith("/node/") === true) {
          response.writeHead(this.nodes.has(request.url.slice("/node/".length)) ? 200 : 404).end();
          return;
        }
        const chunks: Buffer[] = [];
        request.on("data", (chunk: Buffer) => chunks.push(chunk));
        request.on("end", () => {
          const csr = new Pkcs10CertificateRequest(Buffer.concat(chunks));
          const byCertificate = (request.socket as TLSSocket).authorized;
          const { authorization } = request.headers;
          const renews = this.renewsExpired && provesKey(request.headers, Buffer.concat(chunks));
          const nodeName = request.headers["nodename"] as string | undefined;
          this.certificateRequests.push({ authorization, nodeName, byCertificate, csr });
          if (!byCertificate && !renews && authorization !== `Bearer ${this.bearer}`) {
            response.writeHead(401).end(this.refusal);
            return;
          }
          void authority
            .issue({ subject: csr.subject, publicKey: csr.publicKey, ...this.issued })
            .then((certificate) => response.end(Buffer.from(certificate.rawData)));
        });
      },
    );
  }

  /** @param validity of the server's certificate. */
  static async start(validity: Pick<IssueOptions, "notBefore" | "notAfter"> = {}): Promise<TestCloud> {
    const authority = await TestAuthority.create();
    const identity = await authority.identity("CN=KubeEdge,O=KubeEdge", { server: true, ...validity });
    const cloud = new TestCloud(authority, identity);
    cloud.#https.listen(0, "127.0.0.1");
    await once(cloud.#https, "listening");
    await cloud.open();
    return cloud;
  }

  /** Opens the WebSocket's port: a free one, later the same again. */
  async open(): Promise<void> {
    this.#webSocket = await WebSocketServer.start(
      {
        host: "127.0.0.1",
        port: this.#port,
        tls: this.#identity,
        logger: silentLogger,
        writeTimeoutMs: 5_000,
        pingAfterMs: 0,
        admit: (request) => {
          this.linkRequests.push(request);
          const refusal = this.admit(request);
          this.look();
          return { refusal, responseHeaders: this.channel?.answer(request) };
        },
        onLink: (link, request) => {
          this.links.push(link);
          const channel = KEDGE_CHANNEL_HEADER.toLowerCase() in request.headers ? this.channel : undefined;
          channel?.agree(link);
          link.receive((message) => {
            this.received.push(message);
            channel?.take(message, link);
            this.onMessage(message, link);
            this.look();
          });
          this.look();
        },
      },
      AbortSignal.timeout(5_000),
    );
    this.#port = this.#webSocket.port;
  }

  /** Cuts every connection and closes the port. */
  async close(): Promise<void> {
    await this.#webSocket?.[Symbol.asyncDispose]();
  }

  get token(): string {
    return `${this.authority.hash}.${this.bearer}`;
  }

  get httpServer(): string {
    return `https://127.0.0.1:${(this.#https.address() as AddressInfo).port}`;
  }

  get server(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get link(): WebSocketLink {
    const link = this.links.at(-1);
    if (link === undefined) throw new Error("no link is open");
    return link;
  }

  /** Makes every {@link until} look again. */
  look(): void {
    for (const waiter of this.#waiters) waiter();
  }

  /** Resolves with what `find` returns once it returns something. */
  async until<T>(find: () => T | undefined | false): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined && found !== false) return found;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiters.add(resolve);
      await promise.finally(() => this.#waiters.delete(resolve));
    }
  }

  /** The message of this operation and resource, once it has come. */
  message(operation: string, resource: string): Promise<Message> {
    return this.until(() =>
      this.received.find(({ route }) => route.operation === operation && route.resource === resource),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    this.#https.closeAllConnections();
    this.#https.close();
  }
}
