/** Requests to a server over HTTP; what it refuses comes out as the typed error it answered with. */
import { fail, isErrorCode, MillpondError } from "../base/index.ts";

export interface Api {
  readonly url: string;
  readonly token: string;
  get<Answer>(path: string, query?: Readonly<Record<string, string | number | undefined>>): Promise<Answer>;
  post<Answer>(path: string, body?: unknown): Promise<Answer>;
  /** An answer that comes as lines of JSON. */
  lines<Line>(path: string): AsyncIterable<Line>;
}

export function createApi(url: string, token: string): Api {
  const ask = async (path: string, init: RequestInit): Promise<Response> => {
    const headers = { ...init.headers, authorization: `Bearer ${token}` };
    const answer = await fetch(`${url}${path}`, { ...init, headers }).catch((error: unknown) => {
      throw fail("server_unreachable", { url }, error);
    });
    if (!answer.ok) throw refusalOf(await answer.text());
    return answer;
  };
  const post = (path: string, body?: unknown): Promise<Response> =>
    ask(path, {
      method: "POST",
      ...(body !== undefined && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
  return {
    ...{ url, token },
    get: async (path, query = {}) => (await ask(`${path}${searchOf(query)}`, {})).json() as Promise<never>,
    post: async (path, body) => (await post(path, body)).json() as Promise<never>,
    lines: async function* (path) {
      const answer = await post(path);
      yield* jsonLines((answer.body ?? []) as AsyncIterable<Uint8Array>) as AsyncIterable<never>;
    },
  };
}

export function searchOf(query: Readonly<Record<string, string | number | undefined>>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}

/** @throws what an `{error}` line says */
export async function* jsonLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield read(line);
  }
  if (rest !== "") yield read(rest);
}

function read(line: string): unknown {
  const value = JSON.parse(line) as { error?: unknown };
  if (value.error !== undefined) throw wireError(value.error);
  return value;
}

/** The error in the body of an answer. */
export function refusalOf(body: string): MillpondError {
  try {
    return wireError((JSON.parse(body) as { error: unknown }).error);
  } catch (error) {
    return fail("internal", {}, error);
  }
}

function wireError(given: unknown): MillpondError {
  const { code, details } = given as { code: string; details?: MillpondError["details"] };
  return isErrorCode(code) ? new MillpondError(code, details ?? {}) : fail("internal", {}, given);
}
