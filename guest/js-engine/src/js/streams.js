// Streams are the web-streams-polyfill library. It takes DOMException from the global when it is
// evaluated, so ours must stand there before.
import "./dom-exception.js";
import { ReadableStream } from "web-streams-polyfill";

export {
  ByteLengthQueuingStrategy,
  CountQueuingStrategy,
  ReadableByteStreamController,
  ReadableStream,
  ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest,
  ReadableStreamDefaultController,
  ReadableStreamDefaultReader,
  TransformStream,
  TransformStreamDefaultController,
  WritableStream,
  WritableStreamDefaultController,
  WritableStreamDefaultWriter,
} from "web-streams-polyfill";

const getReader = ReadableStream.prototype.getReader;
const tee = ReadableStream.prototype.tee;
const lockedOf = Object.getOwnPropertyDescriptor(ReadableStream.prototype, "locked").get;

export const isReadableStream = (value) => value instanceof ReadableStream && "_disturbed" in value;
export const acquireReader = (stream) => Reflect.apply(getReader, stream, []);
export const teeStream = (stream) => Reflect.apply(tee, stream, []);
export const isLocked = (stream) => Reflect.apply(lockedOf, stream, []);

/** Whether anything has read from or cancelled the stream; only the library's own field tells. */
export const isDisturbed = (stream) => stream._disturbed;

/** A byte stream of one chunk. */
export function streamOfBytes(bytes) {
  return new ReadableStream({
    type: "bytes",
    start(controller) {
      if (bytes.byteLength > 0) controller.enqueue(bytes);
      controller.close();
    },
  });
}
