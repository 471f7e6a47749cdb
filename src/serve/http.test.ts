import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { authenticator, FakeDoor, startServer } from "../../client/door.test-helper.ts";
import { changeOf, tick, tickLayout } from "../../client/source.test-helper.ts";
import { createEnvironment, type Logger, type LogLevel } from "../base/index.ts";
import { decodeBatch, rowsOf } from "../batch/index.ts";
import { decodeMessage } from "../subscribe/index.ts";
import { createServer, formatMetrics, type Server } from "./index.ts";

type Json = Record<string, unknown>;

let door: FakeDoor;
let server: Server;
const lines: { level: LogLevel; event: string; details: unknown }[] = [];
const logger: Logger = {
  log: (level, event, details) => void lines.push({ level, event, details }),
  with: () => logger,
};

before(async () => {
  door = new FakeDoor();
  server = await startServer(door, { bodyBytes: 4096 }, logger);
});
after(() => server.close());

function ask(path: string, { token = "token-all", headers = {}, ...init }: RequestInit & { token?: string } = {}) {
  const authorization: Record<string, string> = token === "" ? {} : { authorization: `Bearer ${token}` };
  return fetch(server.url + path, { ...init, headers: { ...authorization, ...(headers as Record<string, string>) } });
}
const json = async (answer: Response): Promise<Json> => (await answer.json()) as Json;
const post = (path: string, body: string, headers: Record<string, string> = {}, token = "token-all") =>
  ask(path, { method: "POST", body, headers: { "content-type": "application/json", ...headers }, token });
const codeOf = async (answer: Response): Promise<unknown> => ((await json(answer)).error as Json).code;

describe("http", () => {
  it("appends rows as the gate judges them, whatever their form", async () => {
    const answer = await post("/v1/datasets/ticks/rows", JSON.stringify([tick(1), { ...tick(2), bid: "x" }]));
    assert.equal(answer.status, 200);
    const { account, rejections, position } = await json(answer);
    assert.deepEqual([(account as Json).received, (account as Json).accepted, (account as Json).refused], [2, 1, 1]);
    assert.equal((rejections as Json[])[0]!.place, 1);
    assert.equal(position, 1);
    assert.equal(door.submissions.at(-1)!.incoming.kind, "json");
    const text = `${JSON.stringify(tick(3))}\n${JSON.stringify(tick(4))}\n`;
    await post("/v1/datasets/ticks/rows", text, { "content-type": "application/x-ndjson" });
    const body = Buffer.from(changeOf([tick(5)]).bytes);
    const columns = { "content-type": "application/vnd.millpond.columns" };
    const answered = await ask("/v1/datasets/ticks/rows", { method: "POST", body, headers: columns });
    assert.equal(answered.status, 200);
    assert.deepEqual(door.bids(), [1, 3, 4, 5]);
  });

  it("uses one session for requests one after the other that name none, and theirs for those that do", async () => {
    const sessions = door.submissions.map(({ session, batch }) => `${session} ${batch}`);
    assert.equal(new Set(door.submissions.map(({ session }) => session)).size, 1);
    assert.equal(new Set(sessions).size, sessions.length);
    const others = await post("/v1/datasets/ticks/rows", "[]", {}, "token-write");
    assert.equal(others.status, 200);
    assert.notEqual(door.submissions.at(-1)!.session, door.submissions[0]!.session);
    const named = { "millpond-session": "session-1", "millpond-batch": "1" };
    const first = await json(await post("/v1/datasets/ticks/rows", JSON.stringify([tick(6)]), named));
    const again = await json(await post("/v1/datasets/ticks/rows", JSON.stringify([tick(6)]), named));
    assert.deepEqual([first.repeated, again.repeated, again.position], [false, true, first.position]);
    assert.equal(door.submissions.at(-1)!.session, "user:ann/session-1");
    const half = await post("/v1/datasets/ticks/rows", "[]", { "millpond-session": "session-1" });
    assert.equal(await codeOf(half), "request_invalid");
  });

  it("answers latest reads, explanations and what there is", async () => {
    const latest = await json(await ask("/v1/datasets/ticks/latest/S1"));
    assert.deepEqual(latest.row, { ...tick(6), time: "2023-11-14T22:13:20.006Z" });
    assert.equal(await codeOf(await ask("/v1/datasets/ticks/latest/none")), "key_unknown");
    assert.equal(await codeOf(await ask("/v1/datasets/ticks/latest/a/b")), "request_invalid");
    const explained = await json(await ask("/v1/datasets/ticks/explain/A%2FB/2026-01-05T00:00:00Z"));
    assert.deepEqual([explained.key, explained.at], [["A/B"], 1_767_571_200_000_000]);
    assert.equal((await json(await ask("/v1/datasets/ticks/explain/A%2FB?at=17"))).at, 17);
    const { schema, version } = await json(await ask("/v1/datasets/ticks"));
    assert.equal(version, 1);
    assert.ok(((schema as Json).output as Json).properties);
    assert.equal(await codeOf(await ask("/v1/datasets/nothing")), "dataset_unknown");
  });

  it("answers queries by address and by plan, in JSON and in columns alike", async () => {
    const where = encodeURIComponent("symbol = 'S1' and bid > 0.5");
    const query = `where=${where}&group=symbol&every=1m&aggregates=${encodeURIComponent("high: max(bid), n: count()")}`;
    const answer = await json(await ask(`/v1/datasets/ticks/query?${query}&order=n%20desc&limit=5`));
    const [plan] = door.plans;
    assert.deepEqual([plan!.window?.every, plan!.limit, plan!.order], [60_000_000, 5, [{ by: "n", descending: true }]]);
    assert.deepEqual(Object.keys(plan!.aggregates ?? {}), ["high", "n"]);
    const accept = { accept: "application/vnd.millpond.columns" };
    const binary = await post("/v1/datasets/ticks/query", JSON.stringify({ where: "bid > 0.5" }), accept);
    const message = decodeMessage(new Uint8Array(await binary.arrayBuffer()));
    const rows = rowsOf(tickLayout, decodeBatch(message.columns!));
    assert.equal(rows.length, (answer.rows as Json[]).length);
    assert.deepEqual(
      rows.map(({ bid }) => bid),
      (answer.rows as Json[]).map(({ bid }) => bid),
    );
    assert.deepEqual([answer.next, (message.meta as Json).next, message.position], ["more", "more", door.head()]);
    assert.equal(await codeOf(await ask("/v1/datasets/ticks/query?where=bid%20%3E")), "expression_invalid");
    assert.equal(await codeOf(await ask("/v1/datasets/ticks/query?wehre=1")), "request_invalid");
    assert.equal(await codeOf(await post("/v1/datasets/ticks/query", '{"limit":-1}')), "plan_invalid");
  });

  it("lets nobody do what their token does not say", async () => {
    const routes: [string, string, string][] = [
      ["GET", "/v1/datasets", "read"],
      ["GET", "/v1/datasets/ticks", "read"],
      ["GET", "/v1/datasets/ticks/latest/S1", "read"],
      ["GET", "/v1/datasets/_quarantine/latest/S1", "admin"],
      ["GET", "/v1/datasets/ticks/query", "read"],
      ["GET", "/v1/datasets/_quarantine/query", "admin"],
      ["GET", "/v1/datasets/_quarantine/stream", "admin"],
      ["POST", "/v1/datasets/ticks/rows", "write"],
      ["GET", "/v1/quarantine", "admin"],
      ["POST", "/v1/quarantine/retry", "admin"],
      ["POST", "/v1/quarantine/discard", "admin"],
      ["POST", "/v1/verify", "admin"],
      ["POST", "/v1/views/series/rebuild", "admin"],
      ["GET", "/v1/log/commits", "admin"],
      ["GET", "/v1/chains", "read"],
      ["POST", "/v1/tickets", "read"],
    ];
    for (const [method, path, scope] of routes) {
      assert.equal((await ask(path, { method, token: "" })).status, 401, `${path} without a token`);
      assert.equal((await ask(path, { method, token: "wrong" })).status, 401, `${path} with a wrong token`);
      for (const token of ["token-read", "token-write"]) {
        const { status } = await ask(path, { method, token });
        if (token !== `token-${scope}`) assert.equal(status, 403, `${path} with ${token}`);
        else assert.notEqual(status, 403, `${path} with ${token}`);
      }
    }
  });

  it("takes no rows for datasets of its own, and bounds how often tickets are asked for", async () => {
    assert.equal(await codeOf(await post("/v1/datasets/_quarantine/rows", "[]")), "dataset_protected");
    let limited = 0;
    for (let index = 0; index < 620 && limited === 0; index++) {
      const answer = await ask("/v1/tickets", { method: "POST" });
      if (answer.status === 429) limited += Number(answer.headers.get("retry-after"));
      await answer.arrayBuffer();
    }
    assert.ok(limited > 0);
  });

  it("refuses other sites and other host names", async () => {
    const foreign = await ask("/v1/datasets", { headers: { origin: "https://evil.example" } });
    assert.equal(await codeOf(foreign), "origin_refused");
    assert.equal((await ask("/v1/datasets", { headers: { origin: server.url } })).status, 200);
    const http = await import("node:http");
    const status = await new Promise((resolve) => {
      http.get(`${server.url}/metrics`, { headers: { host: "rebound.example" } }, ({ statusCode }) =>
        resolve(statusCode),
      );
    });
    assert.equal(status, 403);
  });

  it("refuses what it does not read, with a typed error and the request's id, and never a stack", async () => {
    assert.equal(await codeOf(await post("/v1/quarantine/retry", "{")), "request_invalid");
    assert.equal(await codeOf(await post("/v1/quarantine/retry", '{"ids":[]}')), "request_invalid");
    assert.equal(await codeOf(await post("/v1/quarantine/retry", '{"__proto__":1}')), "request_invalid");
    assert.equal(await codeOf(await post("/v1/datasets/ticks/rows", " ".repeat(5000))), "body_too_large");
    const zipped = await post("/v1/datasets/ticks/rows", "[]", { "content-encoding": "gzip" });
    assert.equal(await codeOf(zipped), "media_type_unknown");
    const garbage = await post("/v1/datasets/ticks/rows", "xx", { "content-type": "application/vnd.millpond.columns" });
    assert.equal(await codeOf(garbage), "batch_malformed");
    assert.equal(
      await codeOf(await post("/v1/datasets/ticks/rows", "x", { "content-type": "text/xml" })),
      "media_type_unknown",
    );
    assert.equal(await codeOf(await ask("/v1/nothing")), "route_unknown");
    door.judge = () => {
      throw new Error("secret detail");
    };
    const broken = await post("/v1/datasets/ticks/rows", JSON.stringify([tick(1)]));
    door.judge = () => {};
    const text = await broken.text();
    assert.equal(broken.status, 500);
    assert.ok(!text.includes("secret") && text.includes(broken.headers.get("x-request-id")!));
    const logged = JSON.stringify(lines);
    assert.ok(logged.includes("secret detail") && !logged.includes("token-all"));
  });

  it("shows the quarantine, the log, and verifies with progress", async () => {
    assert.equal((await ask("/v1/quarantine")).status, 404);
    const retried = await json(await post("/v1/quarantine/retry", '{"ids":["q1"]}'));
    assert.equal((retried.account as Json).accepted, 1);
    const { commits } = await json(await ask("/v1/log/commits?limit=2"));
    const [{ changes, hash }] = commits as [Json];
    assert.equal((commits as Json[]).length, 2);
    assert.deepEqual([(changes as Json[])[0]!.rows, String(hash).length], [1, 64]);
    const verified = (await (await ask("/v1/verify", { method: "POST" })).text()).trim().split("\n");
    assert.deepEqual(
      verified.map((line) => JSON.parse(line)),
      [{ done: 1, of: 2 }, { result: { equal: true } }],
    );
  });

  it("says how it is without a token on loopback, and why it is not ready", async () => {
    assert.equal((await ask("/health/live", { token: "" })).status, 200);
    door.ready = false;
    const ready = await ask("/health/ready", { token: "" });
    door.ready = true;
    assert.deepEqual([ready.status, await json(ready)], [503, { ready: false, reasons: ["replaying"] }]);
    const metrics = await ask("/metrics", { token: "" });
    assert.equal(metrics.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    const text = await metrics.text();
    assert.match(text, /^# TYPE millpond_subscriptions gauge$/m);
    assert.match(
      text,
      /millpond_http_requests_total\{method="POST",route="\/v1\/datasets\/:dataset\/rows",status="200"\} \d+\n/,
    );
  });

  it("does not listen where others can reach it unless told to, and then asks for a token everywhere", async () => {
    const refused = createServer({ ...publicOptions(), host: "0.0.0.0" });
    await assert.rejects(refused.listen(), { code: "bind_refused" });
    const open = createServer({ ...publicOptions(), host: "0.0.0.0", allowPublic: true });
    await open.listen();
    const url = open.url.replace("0.0.0.0", "127.0.0.1");
    assert.equal((await fetch(`${url}/metrics`)).status, 401);
    assert.equal((await fetch(`${url}/health/live`)).status, 200);
    await open.close();
  });

  it("publishes exactly the routes it has", async () => {
    const answer = await ask("/v1/openapi.json", { token: "" });
    const document = await json(answer);
    assert.equal(document.openapi, "3.1.0");
    const published = Object.entries(document.paths as Record<string, Json>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const registered = server
      .routes()
      .filter((route) => !route.includes(" /docs"))
      .map((route) => route.replace(/:(\w+)/g, "{$1}").replace("*", "{*}"));
    assert.deepEqual(published.sort(), registered.sort());
    assert.ok(registered.length > 20);
    const schemas = (document.components as Json).schemas as Json;
    assert.ok(schemas.ticks_row_input && schemas.ticks_row_output);
  });

  it("serves the API page from itself alone", async () => {
    const page = await ask("/docs/", { token: "" });
    const html = await page.text();
    assert.equal(page.status, 200);
    const sources = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source!);
    assert.ok(sources.length > 0);
    for (const source of sources) {
      assert.ok(!/^(https?:)?\/\//.test(source), source);
      assert.equal((await fetch(new URL(source, page.url))).status, 200);
    }
    assert.match(page.headers.get("content-security-policy")!, /connect-src 'self'/);
    const { "content-security-policy": policy, "x-content-type-options": sniff } = Object.fromEntries(
      (await ask("/v1/datasets")).headers,
    );
    assert.deepEqual([policy?.includes("default-src 'none'"), sniff], [true, "nosniff"]);
  });
});

describe("metrics", () => {
  it("escape labels and help, group by name, and write what is not finite", () => {
    const figure = (name: string, value: number, labels = {}) =>
      ({ name, kind: "gauge", help: "a\\b\nc", labels, value }) as const;
    const text = formatMetrics([
      figure("one", 1, { b: 'q"\\\n', a: "x" }),
      figure("two", Number.POSITIVE_INFINITY),
      figure("one", Number.NaN),
    ]);
    assert.equal(
      text,
      '# HELP one a\\\\b\\nc\n# TYPE one gauge\none{a="x",b="q\\"\\\\\\n"} 1\none NaN\n' +
        "# HELP two a\\\\b\\nc\n# TYPE two gauge\ntwo +Inf\n",
    );
  });
});

function publicOptions() {
  const environment = createEnvironment();
  return { door: new FakeDoor(), authenticator, environment, port: 0 };
}
