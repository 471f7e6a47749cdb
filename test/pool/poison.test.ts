/**
 * Hostile input over every door: each body gets a typed answer, each bad row costs itself alone and is kept, and the
 * pool goes on as if nothing had happened.
 */
import assert from "node:assert/strict";
import { it, type TestContext } from "node:test";
import { ticks as tickContract } from "../../pools/market/index.ts";
import { seededRandom } from "../../src/base/index.ts";
import { batchOfRows, encodeBatch } from "../../src/batch/index.ts";
import { encodeMessage, MessageKind, PROTOCOL } from "../../src/subscribe/index.ts";
import { runs, temporaryFolder } from "../support/folder.ts";
import { type PoolProcess, startPool } from "../support/pool-process.ts";
import { RawStream } from "../support/raw-stream.ts";

const start = Date.UTC(2026, 0, 5, 10) * 1000;
let made = 0;
const tick = () => {
  made += 1;
  return { symbol: "EURUSD", time: start + made * 1000, bid: 1, ask: 1.0001, volume: made };
};
/** A good row as JSON with something put in place of a value, or beside it. */
const rowText = (changes: Readonly<Record<string, string>>, more = ""): string => {
  const row: Record<string, string> = {
    ...Object.fromEntries(Object.entries(tick()).map(([k, v]) => [k, JSON.stringify(v)])),
  };
  Object.assign(row, changes);
  return `{${Object.entries(row)
    .map(([name, value]) => `${JSON.stringify(name)}:${value}`)
    .join(",")}${more}}`;
};
const deep = (levels: number, open = "[", close = "]"): string => open.repeat(levels) + close.repeat(levels);

interface Body {
  readonly account?: Record<string, number>;
  readonly rejections?: { place: number; outcome: string; code: string; quarantineId?: string }[];
  readonly error?: { code: string; message: string };
}

const postText = (pool: PoolProcess, text: string | Uint8Array, headers: Record<string, string> = {}) =>
  send(pool, "/v1/datasets/ticks/rows", text, { "content-type": "application/json", ...headers });

async function send(pool: PoolProcess, address: string, body: string | Uint8Array, headers: Record<string, string>) {
  const answer = await fetch(`${pool.addresses.url}${address}`, {
    method: "POST",
    headers: { authorization: `Bearer ${pool.token}`, ...headers },
    body: body as BodyInit,
  }).catch((error: Error & { cause?: { code?: string } }) => error.cause?.code ?? String(error));
  if (typeof answer === "string") return { status: 0, body: { error: { code: answer, message: "" } } as Body };
  return { status: answer.status, body: (await answer.json()) as Body };
}

/** It runs, every row is accounted for, nothing was a bug, and rows are taken and found. */
async function assertUnharmed(pool: PoolProcess): Promise<void> {
  assert.ok(pool.running, pool.errors);
  assert.equal(pool.errors, "", "no bug was met");
  // A symbol and a session of its own: a damaged time that was good enough to be stored makes others late.
  const good = { ...tick(), symbol: "UNHARMED" };
  const own = { "millpond-session": `unharmed-${made}-session`, "millpond-batch": "1" };
  const { body } = await postText(pool, JSON.stringify([good]), own);
  assert.equal(body.account?.accepted, 1, JSON.stringify(body));
  const latest = await pool.http<{ row: { volume: number } }>("GET", "/v1/datasets/ticks/latest/UNHARMED");
  assert.equal(latest.body.row.volume, good.volume);
  const report = await pool.verify();
  assert.ok(report.ok, JSON.stringify(report));
  assert.equal(report.unaccounted, 0);
}

async function opened(test: TestContext): Promise<PoolProcess> {
  return startPool(await temporaryFolder(test, "poison"));
}

/** Of a batch with a good row before and behind: what becomes of the bad one. */
const badRows: readonly [what: string, row: () => string, outcome: string, codes: readonly string[]][] = [
  ["200,000 levels in a field", () => rowText({ bid: deep(200_000) }), "refused", ["row_too_deep", "row_too_large"]],
  [
    "10,000 objects inside each other",
    () => rowText({}, `,"x":${deep(10_000, '{"a":', "}").replace("}", "0}")}`),
    "refused",
    ["row_too_deep"],
  ],
  ["1e400", () => rowText({ bid: "1e400" }), "refused", ["value_not_finite"]],
  ["-1e400", () => rowText({ ask: "-1e400" }), "refused", ["value_not_finite"]],
  ["a lone surrogate", () => rowText({ symbol: '"A\\ud800"' }), "refused", ["value_not_unicode"]],
  ["a NUL", () => rowText({ symbol: '"A\\u0000"' }), "refused", ["value_not_unicode"]],
  ["__proto__", () => rowText({}, ',"__proto__":{"polluted":true}'), "refused", ["field_forbidden_name"]],
  [
    "constructor",
    () => rowText({}, ',"constructor":{"prototype":{}}'),
    "refused",
    ["field_forbidden_name", "field_not_declared"],
  ],
  ["an escaped __proto__", () => rowText({}, ',"__pro\\u0074o__":1'), "refused", ["field_forbidden_name"]],
  ["a field twice", () => rowText({}, ',"bid":2'), "refused", ["field_duplicate"]],
  ["an unknown field", () => rowText({}, ',"note":1'), "refused", ["field_not_declared"]],
  [
    "a long text",
    () => rowText({ symbol: JSON.stringify("X".repeat(1_000_000)) }),
    "refused",
    ["value_too_long", "row_too_large"],
  ],
  ["a time that is none", () => rowText({ time: '"yesterday"' }), "refused", ["value_not_instant"]],
  [
    "a time past 2^53",
    () => rowText({ time: "9007199254740993" }),
    "refused",
    ["value_not_instant", "value_out_of_range"],
  ],
  ["a missing field", () => '{"symbol":"EURUSD","bid":1}', "refused", ["field_missing"]],
  ["not an object", () => '"tick"', "refused", ["row_not_object"]],
  ["null", () => "null", "refused", ["row_not_object"]],
  ["crossed prices", () => rowText({ bid: "1.2" }), "quarantined", ["rule_failed"]],
];

it("turns away each bad row alone, with its reason, over HTTP and socket", async (test) => {
  const pool = await opened(test);
  const socket = await RawStream.signIn(pool);
  const kept: string[] = [];
  let batch = 0;
  for (const [what, row, outcome, codes] of badRows) {
    const text = (): string => `[${JSON.stringify(tick())},${row()},${JSON.stringify(tick())}]`;
    const check = (body: Body, door: string): void => {
      assert.equal(body.account?.received, 3, `${what} over ${door}: ${JSON.stringify(body).slice(0, 300)}`);
      assert.equal(body.account.accepted, 2, `${what} over ${door}`);
      assert.deepEqual(
        body.rejections?.map((each) => [each.place, each.outcome]),
        [[1, outcome]],
        what,
      );
      assert.ok(codes.includes(body.rejections![0]!.code), `${what} over ${door}: ${body.rejections![0]!.code}`);
      kept.push(body.rejections![0]!.quarantineId!);
    };
    check((await postText(pool, text())).body, "HTTP");
    batch += 1;
    check((await socket.append(batch, text())) as Body, "socket");
  }
  const { body } = await pool.http<{ rows: { id: string; raw: string }[] }>("GET", "/v1/quarantine?limit=1000");
  const found = new Set(body.rows.map(({ id }) => id));
  assert.deepEqual(
    kept.filter((id) => !found.has(id)),
    [],
    "every row turned away is kept",
  );
  assert.equal(found.size, badRows.length * 2);
  socket.close();
  await assertUnharmed(pool);
});

it("loses one row of 10,000 wherever it stands", async (test) => {
  const pool = await opened(test);
  const size = 10_000;
  for (const place of [0, size / 2, size - 1]) {
    for (const bad of [rowText({ bid: "1e999" }), rowText({ ask: "0.5" })]) {
      const rows = Array.from({ length: size }, (_, index) => (index === place ? bad : JSON.stringify(tick())));
      const { body } = await postText(pool, `[${rows.join(",")}]`);
      assert.equal(body.account?.accepted, size - 1);
      assert.deepEqual(
        body.rejections?.map((each) => each.place),
        [place],
      );
    }
  }
  const { body } = await pool.http<{ rows: { n: number }[] }>("POST", "/v1/datasets/ticks/query", {
    aggregates: { n: { function: "count" } },
  });
  assert.equal(body.rows[0]!.n, 6 * (size - 1));
  await assertUnharmed(pool);
});

it("answers hostile requests with typed errors", async (test) => {
  const pool = await opened(test);
  const json = "application/json";
  const columns = "application/vnd.millpond.columns";
  const requests: [what: string, address: string, body: string | Uint8Array, type: string, codes: string[]][] = [
    [
      "200,000 open brackets",
      "/v1/datasets/ticks/rows",
      deep(200_000),
      json,
      ["json_invalid", "request_invalid", "refused"],
    ],
    ["half a body", "/v1/datasets/ticks/rows", '[{"symbol":"A"', json, ["json_invalid", "refused"]],
    ["NaN", "/v1/datasets/ticks/rows", '[{"bid":NaN}]', json, ["json_invalid", "refused"]],
    ["nothing", "/v1/datasets/ticks/rows", "", json, ["json_invalid", "request_invalid", "refused"]],
    [
      "64 MB",
      "/v1/datasets/ticks/rows",
      `["${"x".repeat(64 * 1024 * 1024)}"]`,
      json,
      ["body_too_large", "EPIPE", "ECONNRESET", "UND_ERR_SOCKET"],
    ],
    [
      "bad UTF-8",
      "/v1/datasets/ticks/rows",
      Uint8Array.from([91, 0xff, 0xfe, 93]),
      json,
      ["json_invalid", "request_invalid", "refused"],
    ],
    ["garbage columns", "/v1/datasets/ticks/rows", seededRandom(1).bytes(5000), columns, ["batch_malformed"]],
    ["another type", "/v1/datasets/ticks/rows", "<a/>", "application/xml", ["media_type_unknown"]],
    [
      "a deep plan",
      "/v1/datasets/ticks/query",
      `{"where":${deep(100_000)}}`,
      json,
      ["plan_invalid", "expression_invalid", "expression_too_large", "request_invalid"],
    ],
    [
      "a deep condition",
      "/v1/datasets/ticks/query",
      JSON.stringify({ where: `${"(".repeat(50_000)}1=1` }),
      json,
      ["plan_invalid", "expression_invalid", "expression_too_large"],
    ],
    [
      "__proto__ in a plan",
      "/v1/datasets/ticks/query",
      '{"__proto__":{"limit":1}}',
      json,
      ["request_invalid", "plan_invalid"],
    ],
    [
      "a name that is SQL",
      "/v1/datasets/ticks/query",
      JSON.stringify({ select: [{ as: 'a"; DROP TABLE x', value: "bid" }] }),
      json,
      ["plan_invalid"],
    ],
    ["another dataset", "/v1/datasets/..%2f..%2fetc/query", "{}", json, ["dataset_unknown", "route_unknown"]],
    ["its own datasets", "/v1/datasets/_quarantine/rows", "[]", json, ["dataset_protected"]],
  ];
  for (const [what, address, body, type, codes] of requests) {
    const { status, body: told } = await send(pool, address, body, { "content-type": type });
    const code = told.error?.code ?? (told.account?.accepted === 0 ? "refused" : "accepted");
    assert.ok(codes.includes(code), `${what}: ${status} ${JSON.stringify(told).slice(0, 300)}`);
    assert.ok(status < 500, `${what}: ${status}`);
  }
  const zipped = await postText(pool, "[]", { "content-encoding": "gzip" });
  assert.equal(zipped.body.error?.code, "media_type_unknown");
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
  await assertUnharmed(pool);
});

/** Valid columns with some bytes changed: decoded and judged like any, or refused whole. */
it("takes no harm from damaged columns", async (test) => {
  const pool = await opened(test);
  const random = seededRandom(Number(process.env.MILLPOND_SEED ?? 5));
  const socket = await RawStream.signIn(pool, { encoding: "json" });
  await socket.ask({ type: "open", dataset: "ticks" });
  for (let run = 0; run < runs(60); run++) {
    const bytes = encodeBatch(batchOfRows(tickContract.layout, [tick(), tick(), tick()]));
    for (let flips = 1 + Math.floor(random.next() * 4); flips > 0; flips--) {
      bytes[Math.floor(random.next() * bytes.length)] = Math.floor(random.next() * 256);
    }
    const cut = random.next() < 0.2 ? bytes.subarray(0, Math.floor(random.next() * bytes.length)) : bytes;
    const { status, body } = await send(pool, "/v1/datasets/ticks/rows", cut, {
      "content-type": "application/vnd.millpond.columns",
    });
    assert.ok(
      status === 200 || body.error?.code === "batch_malformed",
      `run ${run}: ${status} ${JSON.stringify(body)}`,
    );
    const id = socket.nextId();
    const answered = socket.until((message) => message.id === id);
    socket.socket.send(encodeMessage({ kind: MessageKind.append, handle: 0, id, position: 1, columns: cut }));
    const { type, code } = await answered;
    const fine = type === "receipt" || ["batch_malformed", "frame_malformed"].includes(String(code));
    assert.ok(fine, `run ${run}: ${type} ${String(code)}`);
  }
  socket.close();
  await assertUnharmed(pool);
});

it("outlives garbage on sockets, before and after the sign-in", async (test) => {
  const pool = await opened(test);
  const random = seededRandom(3);
  const texts = [
    "",
    "{",
    "[]",
    '{"type":"__proto__"}',
    '{"type":"hello"}',
    '{"type":"subscribe","id":1}',
    '{"type":"subscribe","id":2,"dataset":"ticks","where":{"op":"__proto__"}}',
    `{"type":"subscribe","id":3,"dataset":"ticks","where":${deep(3_000)}}`,
    '{"type":"subscribe","id":4,"dataset":"ticks","from":1e400}',
    '{"type":"append","id":6,"dataset":"nothing","batch":1}\n[]',
    '{"type":"append","id":7,"dataset":"ticks","batch":-1}\n[]',
    '{"type":"latest","id":8,"dataset":"ticks","keys":[[{}]]}',
    `{"type":"hello","protocol":"${PROTOCOL}","token":"x"}`,
  ];
  const before = await RawStream.open(pool.addresses.url);
  before.sendJson({ type: "subscribe", id: 1, dataset: "ticks" });
  await before.until(({ type }) => type === "closed");
  assert.ok([4400, 4401].includes(before.closeCode!), `closed by ${before.closeCode}`);
  for (const text of texts) {
    const stranger = await RawStream.open(pool.addresses.url);
    stranger.socket.send(text);
    stranger.socket.send(random.bytes(200));
    await stranger.until(({ type }) => type === "closed");
  }

  const socket = await RawStream.signIn(pool);
  for (const text of texts) {
    const heard = socket.messages.length;
    socket.socket.send(text);
    const { type } = await socket.until((message) => socket.messages.indexOf(message) >= heard);
    assert.equal(type, "error", text.slice(0, 80));
  }
  for (let run = 0; run < 50; run++) socket.socket.send(random.bytes(1 + Math.floor(random.next() * 300)));
  const pong = await socket.ask({ type: "ping" });
  assert.equal(pong.type, "pong", "garbage harms no other request");
  const receipt = await socket.append(1, [tick()]);
  assert.equal(receipt.type, "receipt");
  socket.socket.send("x".repeat(5 * 1024 * 1024));
  await socket.until(({ type }) => type === "closed");
  assert.equal(socket.closeCode, 1009, "too much at once ends the connection");
  await assertUnharmed(pool);
});
