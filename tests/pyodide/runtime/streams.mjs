// Streams as a Worker has them.
//
// Rules (workerd):
// - a stream, its readers and its writers belong to the invocation that made them (context.mjs);
// - a chunk read from the network is I/O: it moves the clock and can wake a hung-looking request; a chunk another
//   coroutine of the same request writes is neither;
// - after the client hangs up, streams that existed by then neither return nor raise;
// - a FixedLengthStream ends after exactly the length it was made with.
// The guards are properties of the stream objects themselves, so Node's own code still sees true web streams.

import { clock } from "./clock.mjs";
import { running } from "./context.mjs";

const Native = {
  ReadableStream,
  WritableStream,
  TransformStream,
  CompressionStream,
  DecompressionStream,
  TextDecoderStream,
  TextEncoderStream,
};
const READABLE = Native.ReadableStream.prototype;
const WRITABLE = Native.WritableStream.prototype;

const guarded = new WeakMap(); // stream -> its guard
const lengths = new WeakMap(); // readable -> length known in advance

export const knownLength = (stream) => lengths.get(stream);
export const setKnownLength = (stream, length) => lengths.set(stream, length);
export const guardOf = (stream) => guarded.get(stream);

function define(target, members) {
  for (const [name, value] of Object.entries(members)) {
    Object.defineProperty(target, name, { value, configurable: true, writable: true });
  }
  if (members[Symbol.asyncIterator]) {
    Object.defineProperty(target, Symbol.asyncIterator, { value: members[Symbol.asyncIterator], configurable: true });
  }
}

/** The promise of a stream operation: I/O if the stream is fed by the network, plain otherwise. */
function promiseOf(guard, promise) {
  if (guard.owner === undefined) return promise;
  const options = { what: guard.what, born: guard.born };
  return guard.network ? guard.owner.hold(promise, options) : guard.owner.freezable(promise, options);
}

/** Makes `stream` belong to the invocation that runs now (or `owner`). */
export function guardReadable(stream, { owner = running(), network = false } = {}) {
  if (stream === null || guarded.has(stream)) return stream;
  const guard = { owner, network, born: owner?.epoch, what: "ReadableStream" };
  guarded.set(stream, guard);
  const check = () => owner?.check(guard.what);
  const read = (options) => {
    const reader = READABLE.getReader.call(stream, options);
    const prototype = Object.getPrototypeOf(reader);
    const closed = reader.closed;
    define(reader, {
      read: (...args) => {
        check();
        return promiseOf(guard, prototype.read.apply(reader, args));
      },
      cancel: (reason) => {
        check();
        return prototype.cancel.call(reader, reason);
      },
      releaseLock: () => {
        check();
        return prototype.releaseLock.call(reader);
      },
    });
    closed.catch(() => {});
    return reader;
  };
  const iterate = async function* ({ preventCancel = false } = {}) {
    const reader = read();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        yield value;
      }
    } finally {
      if (!preventCancel) reader.cancel().catch(() => {});
      reader.releaseLock();
    }
  };
  define(stream, {
    getReader: (options) => {
      check();
      return read(options);
    },
    cancel: (reason) => {
      check();
      return READABLE.cancel.call(stream, reason);
    },
    tee: () => {
      check();
      return READABLE.tee.call(stream).map((branch) => guardReadable(branch, { owner, network }));
    },
    pipeTo: (target, options) => {
      check();
      return promiseOf(guard, READABLE.pipeTo.call(stream, target, options));
    },
    pipeThrough: (pair, options) => {
      check();
      return guardReadable(READABLE.pipeThrough.call(stream, pair, options), { owner, network });
    },
    values: (options) => {
      check();
      return iterate(options);
    },
    [Symbol.asyncIterator]: (options) => {
      check();
      return iterate(options);
    },
  });
  return stream;
}

export function guardWritable(stream, { owner = running() } = {}) {
  if (guarded.has(stream)) return stream;
  const guard = { owner, network: false, born: owner?.epoch, what: "WritableStream" };
  guarded.set(stream, guard);
  const check = () => owner?.check(guard.what);
  define(stream, {
    getWriter: () => {
      check();
      const writer = WRITABLE.getWriter.call(stream);
      const prototype = Object.getPrototypeOf(writer);
      const getter = (name) => Object.getOwnPropertyDescriptor(prototype, name).get;
      for (const name of ["write", "close", "abort"]) {
        define(writer, {
          [name]: (...args) => {
            check();
            const promise = prototype[name].apply(writer, args);
            promise.catch(() => {});
            return promiseOf(guard, promise);
          },
        });
      }
      for (const name of ["ready", "closed"]) {
        Object.defineProperty(writer, name, {
          get: () => {
            check();
            return promiseOf(guard, getter(name).call(writer));
          },
        });
      }
      return writer;
    },
    abort: (reason) => {
      check();
      return WRITABLE.abort.call(stream, reason);
    },
    close: () => {
      check();
      return promiseOf(guard, WRITABLE.close.call(stream));
    },
  });
  return stream;
}

class GuardedReadableStream extends Native.ReadableStream {
  constructor(source, strategy) {
    super(source, strategy);
    guardReadable(this);
  }
  static from(iterable) {
    return guardReadable(Native.ReadableStream.from(iterable));
  }
}
Object.defineProperty(GuardedReadableStream, "name", { value: "ReadableStream" });

class GuardedWritableStream extends Native.WritableStream {
  constructor(sink, strategy) {
    super(sink, strategy);
    guardWritable(this);
  }
}
Object.defineProperty(GuardedWritableStream, "name", { value: "WritableStream" });

class GuardedTransformStream extends Native.TransformStream {
  constructor(transformer, writableStrategy, readableStrategy) {
    super(transformer, writableStrategy, readableStrategy);
    guardReadable(this.readable);
    guardWritable(this.writable);
  }
}
Object.defineProperty(GuardedTransformStream, "name", { value: "TransformStream" });

const asBytes = (chunk) => {
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  throw new TypeError("This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView type on its writable side.");
};

export class IdentityTransformStream extends GuardedTransformStream {
  constructor() {
    super({ transform: (chunk, controller) => controller.enqueue(asBytes(chunk)) });
  }
}

export class FixedLengthStream extends GuardedTransformStream {
  constructor(length) {
    let left = Number(length);
    super({
      transform(chunk, controller) {
        const bytes = asBytes(chunk);
        left -= bytes.byteLength;
        if (left < 0) throw new TypeError("Attempt to write too many bytes through a FixedLengthStream.");
        controller.enqueue(bytes);
      },
      flush() {
        if (left > 0) throw new TypeError("FixedLengthStream did not see all expected bytes before close().");
      },
    });
    lengths.set(this.readable, Number(length));
  }
}

/** A stream class that Node makes whole: only its two ends are guarded. */
function pair(NativeClass) {
  const made = class {
    constructor(...args) {
      const stream = new NativeClass(...args);
      this.readable = guardReadable(stream.readable);
      this.writable = guardWritable(stream.writable);
    }
  };
  Object.defineProperty(made, "name", { value: NativeClass.name });
  return made;
}

export const streamClasses = {
  ReadableStream: GuardedReadableStream,
  WritableStream: GuardedWritableStream,
  TransformStream: GuardedTransformStream,
  IdentityTransformStream,
  FixedLengthStream,
  CompressionStream: pair(Native.CompressionStream),
  DecompressionStream: pair(Native.DecompressionStream),
  TextDecoderStream: pair(Native.TextDecoderStream),
  TextEncoderStream: pair(Native.TextEncoderStream),
  ByteLengthQueuingStrategy,
  CountQueuingStrategy,
};

/**
 * A stream of bytes that come from the network into `owner`. `pull()` resolves to the next chunk or undefined at the
 * end; `cancel(reason)` closes the connection.
 */
export function networkStream(owner, { pull, cancel }) {
  const stream = new Native.ReadableStream({
    type: "bytes",
    async pull(controller) {
      const chunk = await pull();
      clock.advance();
      if (chunk === undefined) {
        controller.close();
        controller.byobRequest?.respond(0);
      } else {
        controller.enqueue(new Uint8Array(chunk)); // a copy: Node pools its buffers, enqueuing would detach the pool
      }
    },
    cancel,
  }, { highWaterMark: 0 });
  return guardReadable(stream, { owner, network: true });
}
