/** What a client may say in text messages (docs/protocol/stream.md), checked before anything is done with it. */
import Type, { type Static } from "typebox";
import { Compile } from "typebox/compile";
import { fail } from "../../base/index.ts";
import { PROTOCOL } from "../../subscribe/index.ts";

const id = Type.Integer({ minimum: 0, maximum: 0xffff_ffff });
const name = Type.String({ minLength: 1, maxLength: 128 });
const position = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const closed = { additionalProperties: false };

const Hello = Type.Object(
  {
    type: Type.Literal("hello"),
    protocol: Type.Literal(PROTOCOL),
    encoding: Type.Optional(Type.Union([Type.Literal("json"), Type.Literal("columns")])),
    token: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
    session: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9_-]{8,64}$" })),
  },
  closed,
);
const Subscribe = Type.Object(
  {
    type: Type.Literal("subscribe"),
    id,
    dataset: name,
    where: Type.Optional(Type.Unknown()),
    fields: Type.Optional(Type.Array(name, { minItems: 1, maxItems: 1024, uniqueItems: true })),
    from: Type.Optional(Type.Union([Type.Literal("now"), Type.Literal("start"), position])),
    conflate: Type.Optional(Type.Boolean()),
    provisional: Type.Optional(Type.Boolean()),
  },
  closed,
);
const Unsubscribe = Type.Object({ type: Type.Literal("unsubscribe"), id }, closed);
const Open = Type.Object({ type: Type.Literal("open"), id, dataset: name }, closed);
/** The rows stand behind the first line break. */
const Append = Type.Object(
  { type: Type.Literal("append"), id, dataset: name, batch: Type.Integer({ minimum: 1, maximum: 2 ** 53 - 1 }) },
  closed,
);
const keyPart = Type.Union([Type.String(), Type.Number(), Type.Boolean()]);
const Latest = Type.Object(
  {
    type: Type.Literal("latest"),
    id,
    dataset: name,
    keys: Type.Array(Type.Array(keyPart, { maxItems: 16 }), { minItems: 1, maxItems: 10_000 }),
  },
  closed,
);
const Ping = Type.Object({ type: Type.Literal("ping"), id }, closed);

export type Hello = Static<typeof Hello>;
export type Subscribe = Static<typeof Subscribe>;
export type Append = Static<typeof Append>;
export type Latest = Static<typeof Latest>;
export type ClientMessage =
  | Hello
  | Subscribe
  | Append
  | Latest
  | Static<typeof Unsubscribe>
  | Static<typeof Open>
  | Static<typeof Ping>;

const checks = {
  hello: Compile(Hello),
  subscribe: Compile(Subscribe),
  unsubscribe: Compile(Unsubscribe),
  open: Compile(Open),
  append: Compile(Append),
  latest: Compile(Latest),
  ping: Compile(Ping),
};

const malformed = (problem: string) => fail("frame_malformed", { problem });

/** The checked message on one line of text. @throws `frame_malformed` */
export function readMessage(text: string): ClientMessage {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw malformed("not JSON on one line");
  }
  if (typeof given !== "object" || given === null || !("type" in given)) throw malformed("no type");
  const { type } = given;
  if (typeof type !== "string" || !Object.hasOwn(checks, type)) throw malformed("unknown type");
  const check = checks[type as keyof typeof checks];
  if (check.Check(given)) return given as ClientMessage;
  const [first] = check.Errors(given);
  throw malformed(`'${type}' ${first?.instancePath ?? ""} ${first?.message ?? "does not fit"}`);
}

/** The id a message asked with, for an error's answer, where one can be made out. */
export function idOf(text: string): number {
  const match = /"id"\s*:\s*(\d{1,10})/.exec(text.slice(0, 512));
  return match === null ? 0 : Number(match[1]);
}
