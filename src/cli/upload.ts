/** Sends a file to a server as it is read, never whole, and hands back the answer while it comes. */
import { createReadStream } from "node:fs";
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { Transform } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { fail } from "../base/index.ts";
import { type Api, jsonLines, refusalOf } from "./api.ts";

/**
 * @param onSent bytes handed over so far
 * @throws the server's refusal, also where it refuses before all is sent; `import_file_refused`, `server_unreachable`
 */
export async function* uploadFile(
  { url, token }: Api,
  path: string,
  file: string,
  onSent: (bytes: number) => void,
  signal: AbortSignal,
): AsyncGenerator<unknown> {
  const open = url.startsWith("https:") ? requestHttps : requestHttp;
  const request = open(`${url}${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/octet-stream" },
    signal,
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once("response", resolve);
    request.once("error", (error) =>
      reject(signal.aborted ? signal.reason : fail("server_unreachable", { url }, error)),
    );
  });
  let sent = 0;
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sent += chunk.length;
      onSent(sent);
      done(null, chunk);
    },
  });
  const source = createReadStream(file, { highWaterMark: 256 * 1024 });
  const sending = pipeline(source, count, request).catch((error: NodeJS.ErrnoException) => {
    // An answer that came early ends the sending; what it says matters more.
    if (error.syscall !== "open" && error.syscall !== "read") return;
    request.destroy();
    throw fail("import_file_refused", { problem: "it cannot be read" }, error);
  });
  try {
    // What cannot be read never gets an answer; what is answered may never be sent whole.
    const answer = await Promise.race([answered, sending.then(() => answered)]);
    if (answer.statusCode !== 200) throw refusalOf(await text(answer));
    yield* jsonLines(answer);
    await sending;
  } finally {
    answered.catch(() => {});
    sending.catch(() => {});
    request.destroy();
  }
}
