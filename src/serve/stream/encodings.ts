/** The three wire forms of a delivery. Each runs once per delivery, whatever the number of its receivers. */
import { type Delivery, deliveryParts, type Encoding, type Frame, frameToJson } from "../../subscribe/index.ts";
import { binaryMessages, textMessages } from "./framing.ts";

/** Binary messages over a WebSocket. */
export const columnsEncoding: Encoding<Buffer> = {
  encode: (delivery) => binaryMessages(deliveryParts(delivery)),
};

/** Text messages over a WebSocket. */
export const jsonEncoding: Encoding<Buffer> = {
  encode: (delivery) =>
    textMessages(
      delivery.frames.map((frame) => frameToJson(frame, `"type":"${frame.kind}","channel":${delivery.channel}`)),
    ),
};

/** Server-sent events. The event's id is the cursor to resume from; frames that do not move it carry none. */
export const eventEncoding: Encoding<Buffer> = {
  encode: (delivery: Delivery) => Buffer.from(delivery.frames.map(eventText).join("")),
};

function eventText(frame: Frame): string {
  const cursor = frame.kind === "rows" && frame.continued !== true ? `id: ${frame.position}\n` : "";
  return `event: ${frame.kind}\n${cursor}data: ${frameToJson(frame, `"type":"${frame.kind}"`)}\n\n`;
}
