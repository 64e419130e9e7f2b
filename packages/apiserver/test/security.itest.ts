import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { after, before, describe, test } from "node:test";
import { ROUTES } from "../src/http/route-table.ts";
import { HEADER_BYTES_MAX } from "../src/http/https-server.ts";
import { REQUEST_BODY_BYTES_MAX } from "../src/http/api-exchange.ts";
import { CertificateAuthority, type KeyPairPem } from "../src/tls/certificate-authority.ts";
import { startTestServer, type TestServer } from "./start-test-server.ts";

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

interface Call {
  readonly method?: string;
  readonly path: string;
  readonly as?: KeyPairPem;
  readonly token?: string;
  readonly body?: object | string;
  readonly headers?: Record<string, string>;
}

/** What `ROUTES` must be: a new route is a decision about who may call it, and is written down here, too. */
const EXPECTED_ACCESS = {
  "/{healthz,livez,readyz}": "anybody",
  "/version": "anybody",
  "/api, /apis": "path",
  "/api/v1": "path",
  "/apis/{group}[/{version}]": "path",
  "/openapi/{v2,v3}": "path",
  "/openid/v1/jwks": "path",
  "/api/v1/{resource}": "resource",
  "/apis/{group}/{version}/{resource}": "resource",
};

/** One address of each route, and some that no route has. */
const ADDRESSES = [
  "/api",
  "/apis",
  "/api/v1",
  "/apis/apps",
  "/apis/apps/v1",
  "/openapi/v2",
  "/openapi/v3",
  "/openid/v1/jwks",
  "/api/v1/nodes",
  "/api/v1/namespaces/default/secrets/x",
  "/apis/apps/v1/deployments",
  "/nope",
  "/metrics",
  "/debug/pprof",
  "/healthz/../api",
  "/version/x",
  "//api/v1/nodes",
];

describe("who may do what", { timeout: 60_000 }, () => {
  const scope = new AsyncDisposableStack();
  let server: TestServer;
  let authority: CertificateAuthority;
  let admin: KeyPairPem;
  let nobody: KeyPairPem;

  before(async () => {
    server = scope.use(await startTestServer());
    authority = await CertificateAuthority.open(join(server.stateDir, "pki"), Date.now());
    admin = await authority.issue(
      { commonName: "root", organizations: ["system:masters"], usage: "client" },
      Date.now(),
    );
    nobody = await authority.issue({ commonName: "nobody", usage: "client" }, Date.now());
  });
  after(() => scope.disposeAsync());

  function call({ method = "GET", path, as, token, body, headers = {} }: Call): Promise<Answer> {
    const text = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const outgoing = httpsRequest(
        server.api.url,
        {
          path,
          method,
          ca: server.api.caPem,
          agent: false,
          ...(as === undefined ? {} : { cert: as.certPem, key: as.keyPem }),
          headers: {
            ...(text === undefined
              ? {}
              : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            ...headers,
          },
        },
        (response) => {
          const parts: Buffer[] = [];
          response.on("data", (part: Buffer) => parts.push(part));
          response.on("error", reject);
          response.on("end", () => {
            const answer = Buffer.concat(parts).toString();
            const status = response.statusCode ?? 0;
            try {
              resolve({ status, body: JSON.parse(answer) as Record<string, unknown> });
            } catch {
              resolve({ status, body: { text: answer } });
            }
          });
        },
      );
      outgoing.on("error", reject);
      outgoing.end(text);
    });
  }

  const create = (path: string, body: object, as = admin) => call({ method: "POST", path, body, as });
  const bind = async (name: string, user: string, rules: object[], namespace = "default") => {
    const root = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    await create(`${root}/roles`, { metadata: { name }, rules });
    await create(`${root}/rolebindings`, {
      metadata: { name },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: user }],
    });
  };
  const user = (commonName: string) => authority.issue({ commonName, usage: "client" }, Date.now());

  test("every route is listed here with who may call it", () => {
    assert.deepEqual(Object.fromEntries(ROUTES.map(({ shape, access }) => [shape, access])), EXPECTED_ACCESS);
  });

  for (const path of ["/healthz", "/livez", "/readyz", "/version"])
    test(`anybody may call ${path}`, async () => assert.equal((await call({ path })).status, 200));

  for (const path of ADDRESSES)
    test(`without credentials ${path} answers 401, and with a stranger's 403`, async () => {
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
        const answer = await call({ path, method });
        assert.equal(answer.status, 401, method);
        assert.deepEqual(answer.body["message"], "Unauthorized");
      }
      const discovery = /^\/(api|apis|openapi)(\/(v1|v2|v3|apps|apps\/v1))?$/.test(path);
      const answer = await call({ path, as: nobody });
      assert.equal(answer.status, discovery ? 200 : 403, JSON.stringify(answer.body));
    });

  test("a certificate of another authority is nobody's", async () => {
    await using other = await startTestServer();
    const strangers = await CertificateAuthority.open(join(other.stateDir, "pki"), Date.now());
    const forged = await strangers.issue(
      { commonName: "root", organizations: ["system:masters"], usage: "client" },
      Date.now(),
    );
    assert.equal((await call({ path: "/api/v1/nodes", as: forged })).status, 401);
  });

  test("a server's certificate is no client's, and one that has ended is nobody's", async () => {
    const wrong = await authority.issue(
      { commonName: "root", organizations: ["system:masters"], usage: "server" },
      Date.now(),
    );
    assert.equal((await call({ path: "/api/v1/nodes", as: wrong })).status, 401);
    const twoYearsAgo = Date.now() - 2 * 365 * 86_400_000;
    const ended = await authority.issue(
      { commonName: "root", organizations: ["system:masters"], usage: "client" },
      twoYearsAgo,
    );
    assert.equal((await call({ path: "/api/v1/nodes", as: ended })).status, 401);
  });

  test("a refusal says who may not do what where, as Kubernetes does", async () => {
    const { status, body } = await call({ path: "/api/v1/namespaces/default/pods", as: nobody });
    assert.equal(status, 403);
    assert.equal(
      body["message"],
      'pods is forbidden: User "nobody" cannot list resource "pods" in API group "" in the namespace "default"',
    );
    const { body: cluster } = await call({ path: "/api/v1/nodes/n1", as: nobody });
    assert.equal(
      cluster["message"],
      'nodes "n1" is forbidden: User "nobody" cannot get resource "nodes" in API group "" at the cluster scope',
    );
  });

  test("a role counts in its namespace, for its verbs, resources and names only", async () => {
    const reader = await user("reader");
    await bind("reader", "reader", [
      { apiGroups: [""], resources: ["configmaps"], resourceNames: ["one"], verbs: ["get"] },
    ]);
    await create("/api/v1/namespaces/default/configmaps", { metadata: { name: "one" } });
    const path = "/api/v1/namespaces/default/configmaps";
    assert.equal((await call({ path: `${path}/one`, as: reader })).status, 200);
    assert.equal((await call({ path: `${path}/two`, as: reader })).status, 403);
    assert.equal((await call({ path, as: reader })).status, 403);
    assert.equal((await call({ path: `${path}/one`, method: "DELETE", as: reader })).status, 403);
    assert.equal((await call({ path: "/api/v1/namespaces/kube-system/configmaps/one", as: reader })).status, 403);
    await call({
      method: "DELETE",
      path: "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings/reader",
      as: admin,
    });
    assert.equal((await call({ path: `${path}/one`, as: reader })).status, 403, "at once, without its binding");
  });

  test("a subresource needs a rule of its own", async () => {
    const scaler = await user("scaler");
    await bind("scaler", "scaler", [{ apiGroups: ["apps"], resources: ["deployments"], verbs: ["*"] }]);
    const path = "/apis/apps/v1/namespaces/default/deployments/none";
    assert.equal((await call({ path, as: scaler })).status, 404);
    assert.equal((await call({ path: `${path}/scale`, as: scaler })).status, 403);
  });

  test("nobody grants what they do not have", async () => {
    const climber = await user("climber");
    await bind("climber", "climber", [
      { apiGroups: ["rbac.authorization.k8s.io"], resources: ["roles", "rolebindings"], verbs: ["create", "patch"] },
      { apiGroups: [""], resources: ["configmaps"], verbs: ["get"] },
    ]);
    const root = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    const role = (name: string, verbs: string[]) => ({
      metadata: { name },
      rules: [{ apiGroups: [""], resources: ["configmaps"], verbs }],
    });
    assert.equal((await create(`${root}/roles`, role("within", ["get"]), climber)).status, 201);
    assert.equal((await create(`${root}/roles`, role("beyond", ["delete"]), climber)).status, 403);
    assert.equal((await create(`${root}/roles`, role("all", ["*"]), climber)).status, 403);
    const many = Array.from({ length: 5_000 }, () => "get");
    const huge = [{ apiGroups: [""], resources: many.map(() => "configmaps"), resourceNames: many, verbs: many }];
    assert.equal((await create(`${root}/roles`, { metadata: { name: "huge" }, rules: huge }, climber)).status, 403);
    const bare = [{ apiGroups: [""], resources: ["configmaps"] }];
    assert.equal((await create(`${root}/roles`, { metadata: { name: "bare" }, rules: bare }, climber)).status, 422);
    const patch = {
      method: "PATCH",
      path: `${root}/roles/within`,
      as: climber,
      body: role("within", ["delete"]),
      headers: { "content-type": "application/merge-patch+json" },
    };
    assert.equal((await call(patch)).status, 403);
    const binding = {
      metadata: { name: "up" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "climber" }],
    };
    assert.equal((await create(`${root}/rolebindings`, binding, climber)).status, 403);
  });

  test("only who may impersonate does", async () => {
    const as = { "impersonate-user": "nobody" };
    assert.equal((await call({ path: "/api/v1/nodes", as: admin, headers: as })).status, 403, "as nobody");
    assert.equal(
      (await call({ path: "/api/v1/nodes", as: admin, headers: { ...as, "impersonate-group": "system:masters" } }))
        .status,
      200,
    );
    const group = { "impersonate-group": "system:masters" };
    for (const headers of [{ ...as, ...group }, group, { "impersonate-user": "root", ...group }])
      assert.equal((await call({ path: "/api/v1/nodes", as: nobody, headers })).status, 403);
  });

  test("a service account's token: its own rights, its audience, the end of its pod", async () => {
    const root = "/api/v1/namespaces/default";
    const { body: account } = await create(`${root}/serviceaccounts`, { metadata: { name: "robot" } });
    assert.ok(account["metadata"]);
    const { body: pod } = await create(`${root}/pods`, {
      metadata: { name: "robot" },
      spec: { serviceAccountName: "robot", containers: [{ name: "c", image: "i" }] },
    });
    const { uid } = pod["metadata"] as { uid: string };
    const issue = async (spec: object): Promise<string> => {
      const { status, body } = await create(`${root}/serviceaccounts/robot/token`, { spec });
      assert.equal(status, 201, JSON.stringify(body));
      return (body["status"] as { token: string }).token;
    };
    const bound = await issue({ boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "robot", uid } });
    const path = `${root}/configmaps`;
    const refused = await call({ path, token: bound });
    assert.match(String(refused.body["message"]), /User "system:serviceaccount:default:robot" cannot list/);
    await bind("robot", "system:serviceaccount:default:robot", [
      { apiGroups: [""], resources: ["configmaps"], verbs: ["list"] },
    ]);
    assert.equal((await call({ path, token: bound })).status, 200);
    const elsewhere = await issue({ audiences: ["somebody-else"] });
    assert.equal((await call({ path, token: elsewhere })).status, 401);
    assert.equal((await call({ path, token: `${bound.slice(0, -4)}AAAA` })).status, 401);
    assert.equal((await call({ path, token: "none.at.all" })).status, 401);
    const [header = "", payload = ""] = bound.split(".");
    const none = Buffer.from(
      JSON.stringify({ ...(JSON.parse(Buffer.from(header, "base64url").toString()) as object), alg: "none" }),
    );
    assert.equal((await call({ path, token: `${none.toString("base64url")}.${payload}.` })).status, 401, "alg none");
    await call({ method: "DELETE", path: `${root}/pods/robot`, as: admin });
    assert.equal((await call({ path, token: bound })).status, 401, "its pod is gone");
    const unbound = await issue({});
    assert.equal((await call({ path, token: unbound })).status, 200);
    await call({ method: "DELETE", path: `${root}/serviceaccounts/robot`, as: admin });
    assert.equal((await call({ path, token: unbound })).status, 401, "its account is gone");
  });

  test("a review that is not well formed is refused, not answered", async () => {
    const root = "/apis/authorization.k8s.io/v1";
    const resourceAttributes = { verb: "get", resource: "pods" };
    for (const spec of [{ user: "x", groups: "system:masters" }, { user: "x", groups: [5] }, { user: 5 }])
      assert.equal(
        (await create(`${root}/subjectaccessreviews`, { spec: { ...spec, resourceAttributes } })).status,
        400,
      );
    for (const attributes of [5, { verb: ["get"] }])
      assert.equal(
        (await create(`${root}/selfsubjectaccessreviews`, { spec: { resourceAttributes: attributes } })).status,
        400,
      );
    const unset = { user: "x", groups: null, uid: null, nonResourceAttributes: null, resourceAttributes };
    assert.equal((await create(`${root}/subjectaccessreviews`, { spec: unset })).status, 201);
    const headers = { "impersonate-user": "nobody", "impersonate-extra-%zz": "x" };
    assert.equal((await call({ path: "/api/v1/nodes", as: admin, headers })).status, 403);
  });

  test("a static pod's copy gets nobody's tokens", async () => {
    const path = "/api/v1/namespaces/default/pods";
    const mirror = (name: string, spec: object) => ({
      metadata: { name, annotations: { "kubernetes.io/config.mirror": "x" } },
      spec: { nodeName: "edge", containers: [{ name: "c", image: "i" }], ...spec },
    });
    const volumes = [{ name: "t", projected: { sources: [{ serviceAccountToken: { path: "token" } }] } }];
    for (const spec of [{ serviceAccountName: "default" }, { serviceAccount: "default" }, { volumes }])
      assert.equal((await create(path, mirror("thief", spec))).status, 403);
    const { status, body } = await create(path, mirror("copy", {}));
    assert.equal(status, 201);
    assert.equal((body["spec"] as { serviceAccountName?: string }).serviceAccountName, undefined);
    const boundObjectRef = { kind: "Pod", name: "copy" };
    const token = await create("/api/v1/namespaces/default/serviceaccounts/default/token", {
      spec: { boundObjectRef },
    });
    assert.equal(token.status, 400);
  });

  test("nobody unknown gets a body into memory: the answer comes before it is read", async () => {
    const { hostname: host, port } = new URL(server.api.url);
    const socket = connectTls({ host, port: Number(port), ca: server.api.caPem });
    try {
      socket.write("POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n");
      const [head] = (await once(socket, "data")) as [Buffer];
      assert.match(head.toString(), /^HTTP\/1.1 401 /);
    } finally {
      socket.destroy();
    }
  });

  test("what is too large is refused, and the next request is served", async () => {
    const body = `{"metadata":{"name":"big"},"data":{"x":"${"x".repeat(REQUEST_BODY_BYTES_MAX)}"}}`;
    const path = "/api/v1/namespaces/default/configmaps";
    const answer = await call({ method: "POST", path, as: admin, body }).catch((error: Error) => error);
    // Whoever is still sending when the connection ends may not get to read why.
    if (!(answer instanceof Error)) assert.equal(answer.status, 413);
    const long = await call({ path, as: admin, headers: { "x-long": "x".repeat(HEADER_BYTES_MAX) } }).catch(
      (error: Error) => error,
    );
    if (!(long instanceof Error)) assert.equal(long.status, 431);
    assert.equal((await call({ path, as: admin })).status, 200);
  });

  for (const path of [
    "/api/v1/namespaces/default/configmaps/..%2f..%2fx",
    "/api/v1/namespaces/default/configmaps/a%00b",
    "/api/v1/namespaces/default%2Fconfigmaps/secrets",
    "/api/v1/namespaces/../secrets",
    "/api/v1/namespaces/default/configmaps/%zz",
    "/api/v1/namespaces/default//configmaps",
  ])
    test(`the path ${path} leads nowhere`, async () => {
      const { status } = await call({ path, as: admin });
      assert.ok(status === 404 || status === 400, String(status));
    });

  test("keys named like the prototype's stay data", async () => {
    const path = "/api/v1/namespaces/default/configmaps";
    const body = `{"metadata":{"name":"proto"},"data":{"__proto__":"x","constructor":"y"}}`;
    assert.ok([201, 422].includes((await call({ method: "POST", path, as: admin, body })).status));
    const patch = {
      method: "PATCH",
      path: `${path}/one`,
      as: admin,
      headers: { "content-type": "application/merge-patch+json" },
    };
    const { status } = await call({ ...patch, body: `{"__proto__":{"polluted":true}}` });
    assert.ok(status === 400 || status === 200);
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });
});
