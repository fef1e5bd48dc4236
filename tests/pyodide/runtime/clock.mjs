// The clock a Worker sees.
//
// Rules (workerd):
// - while the module is imported, the time is 0;
// - while the CPU works the time stands still: it moves only when I/O completes (a request arrives, a fetch or a
//   binding answers, a timer fires, a chunk is read);
// - `performance.now()` shows the same clock (its time origin is 0);
// - Python's `time.time()` goes through Emscripten, which adds 1 ms at every call within the same millisecond.

const RealDate = globalThis.Date;

let importing = true;
let frozen = 0;

export const clock = {
  /** The time the Worker sees, in milliseconds since the epoch. */
  now: () => (importing ? 0 : frozen),
  /** The time outside the Worker. */
  real: () => RealDate.now(),
  /** I/O completed: the Worker may see that time has passed. It never goes back. */
  advance() {
    frozen = Math.max(frozen, RealDate.now());
  },
  /** The import is over: from now on the time is that of the last I/O. */
  startServing() {
    importing = false;
    clock.advance();
  },
};

function makeDate(now) {
  class Date extends RealDate {
    constructor(...args) {
      super(...(args.length === 0 ? [now()] : args));
    }
    static now() {
      return now();
    }
  }
  return Date;
}

/** `Date` and `performance` as the Worker's own JavaScript scope has them. */
export const WorkerDate = makeDate(() => clock.now());

export const workerPerformance = Object.freeze({
  now: () => clock.now(),
  timeOrigin: 0,
  mark() {},
  measure() {},
});

const SPINNING = 20_000_000;
let readAt = -1;
let reads = 0;

/**
 * `performance` as Emscripten has it: what `time.monotonic()` reads. `time.sleep()` waits for it to move, which it never
 * does: production ends that by its CPU limit, the host by this error, which ends the interpreter.
 */
export const emscriptenPerformance = Object.freeze({
  now() {
    const now = clock.now();
    reads = now === readAt ? reads + 1 : 0;
    readAt = now;
    if (reads > SPINNING) {
      reads = 0;
      throw new Error("The Worker waits for a clock that stands still while the CPU works; use `await asyncio.sleep()`.");
    }
    return now;
  },
  timeOrigin: 0,
});

let lastRead = -1;
let extra = 0;

/** `Date` as Emscripten has it, hence Python: the interpreter's start needs file times that advance at every read. */
export const EmscriptenDate = makeDate(() => {
  const now = clock.now();
  if (now === lastRead) {
    extra += 1;
  } else {
    lastRead = now;
    extra = 0;
  }
  return now + extra;
});
