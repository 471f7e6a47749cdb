/** Server-sent events as a browser reads them: reconnects by itself with the id of the last whole event. */
import { systemTimers } from "../../src/base/index.ts";

export interface EventFrame {
  readonly type: string;
  readonly [more: string]: unknown;
}

export class EventSourceReader {
  connections = 0;
  lastId: string | undefined;
  readonly #url: string;
  readonly #token: string;
  readonly #onFrame: (frame: EventFrame) => void;
  readonly #stop = new AbortController();

  constructor(url: string, token: string, onFrame: (frame: EventFrame) => void) {
    this.#url = url;
    this.#token = token;
    this.#onFrame = onFrame;
    void this.#run();
  }
  close(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#read(signal).catch(() => {});
      await systemTimers.delay(10, signal).catch(() => {});
    }
  }
  async #read(signal: AbortSignal): Promise<void> {
    const answer = await fetch(this.#url, {
      headers: {
        authorization: `Bearer ${this.#token}`,
        accept: "text/event-stream",
        ...(this.lastId !== undefined && { "last-event-id": this.lastId }),
      },
      signal,
    });
    if (!answer.ok || answer.body === null) return;
    this.connections += 1;
    let text = "";
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      text += piece;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        this.#event(text.slice(0, end));
        text = text.slice(end + 2);
      }
    }
  }
  /** An event without an id leaves the last one as it is. */
  #event(text: string): void {
    const fields = new Map(
      text.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)] as const),
    );
    const data = fields.get("data");
    if (data === undefined) return;
    this.#onFrame(JSON.parse(data) as EventFrame);
    this.lastId = fields.get("id") ?? this.lastId;
  }
}
