// The life of one invocation, and who may touch what.
//
// Rules (workerd's IoContext):
// - every invocation has a context of its own; AsyncLocalStorage carries it through promises, timers and Pyodide's event
//   loop (which schedules with setImmediate and setTimeout), exactly as workerd enters the context of whoever scheduled;
// - an I/O object belongs to the context that made it; use from another one raises;
// - outside any context (the import) there is no I/O and there are no timers;
// - a context lives until its response is sent and its waitUntil tasks are done, at most `waitUntilMs` longer; then its
//   timers do not fire, its promises do not settle and its connections are closed;
// - a context that waits for nothing that could ever wake it is cancelled as hung;
// - when the client hangs up, streams that existed by then neither return nor raise any more;
// - at most `connections` are open at once (more wait), at most `subrequests` are made.

import { AsyncLocalStorage } from "node:async_hooks";

import { clock } from "./clock.mjs";
import { ABANDONED, CROSS_REQUEST, GLOBAL_SCOPE, HUNG, RuleError, WAIT_UNTIL_CUT } from "./errors.mjs";
import { log } from "./log.mjs";

const current = new AsyncLocalStorage();

export const phase = { importing: false };
export const DEFAULT_LIMITS = Object.freeze({
  waitUntilMs: 30_000,
  connections: 6,
  subrequests: 50,
  internalSubrequests: 1_000,
  dataPoints: 25,
  kvWriteMs: 0, // 1,000 in production: off where tests write as fast as they can
  hungAfterMs: 50,
});

const MOST_LOOKS = 1_000;

let lastId = 0;

export class Invocation {
  constructor(kind, limits) {
    this.id = ++lastId;
    this.kind = kind;
    this.limits = limits;
    this.alive = true;
    this.answered = false; // the handler has returned and its body has left, or the client is gone
    this.epoch = 0; // raised when the client hangs up; what is older is frozen
    this.pending = 0; // what can still wake this context: I/O under way, timers
    this.turns = 0; // turns of the event loop that are still to come
    this.tasks = new Set(); // waitUntil
    this.onDeath = new Set();
    this.open = 0;
    this.waiting = [];
    this.stalled = new Set(); // bodies that nobody has begun to read
    this.startEvent();
    this.dead = new Promise((resolve) => (this.resolveDead = resolve));
    this.failed = new Promise((_, reject) => (this.fail = reject));
    this.failed.catch(() => {});
  }

  run(work) {
    return current.run(this, work);
  }

  /** Raises unless the code that runs now belongs to this context. */
  check(what) {
    const running = current.getStore();
    if (running !== undefined && running !== this) throw new Error(`${CROSS_REQUEST} (I/O type: ${what})`);
  }

  /**
   * The promise of I/O that is under way, as the Worker may have it: it counts as something that can wake the context,
   * moves the clock when it settles, belongs to this context, and never settles once the context or (for streams) the
   * client is gone.
   */
  hold(promise, { what = "Promise", born = Infinity, advance = true } = {}) {
    this.#wakeable(1);
    const held = new Promise((resolve, reject) => {
      const settle = (forward) => (value) => {
        this.#wakeable(-1);
        if (!this.alive || born < this.epoch) return;
        if (advance) clock.advance();
        forward(value);
      };
      promise.then(settle(resolve), settle(reject));
    });
    return this.#owned(held, what);
  }

  /** Like `hold`, for promises that only this context's own code can settle: they cannot keep a hung context alive. */
  freezable(promise, { what = "Promise", born = this.epoch } = {}) {
    const held = new Promise((resolve, reject) => {
      const settle = (forward) => (value) => this.alive && born >= this.epoch && forward(value);
      promise.then(settle(resolve), settle(reject));
    });
    return this.#owned(held, what);
  }

  #owned(promise, what) {
    const then = promise.then;
    Object.defineProperty(promise, "then", {
      value: (...callbacks) => {
        this.check(what);
        return then.apply(promise, callbacks);
      },
    });
    return promise;
  }

  /** A timer of this context. Returns a function that clears it. */
  timer(callback, delayMs) {
    this.#wakeable(1);
    let done = false;
    const finish = () => {
      if (done) return false;
      done = true;
      this.onDeath.delete(clear);
      this.#wakeable(-1);
      return true;
    };
    const handle = setTimeout(() => {
      if (!finish() || !this.alive) return;
      clock.advance();
      callback();
    }, delayMs);
    const clear = () => {
      clearTimeout(handle);
      finish();
    };
    this.onDeath.add(clear);
    return clear;
  }

  /** A turn of the event loop: not I/O, so the clock does not move. */
  soon(callback) {
    this.#wakeable(1);
    this.turns += 1;
    return setImmediate(() => {
      this.turns -= 1;
      this.#wakeable(-1);
      if (this.alive) callback();
    });
  }

  waitUntil(promise) {
    this.check("ExecutionContext");
    if (!this.alive) return;
    const task = Promise.resolve(promise).then(
      () => {},
      (error) => log("error", [`Uncaught (in promise) ${describe(error)}`], { kind: "waitUntil" }),
    );
    this.tasks.add(task);
    task.then(() => {
      this.tasks.delete(task);
      this.#maybeEnd();
    });
  }

  /** One of the few connections a context may have open; resolves to the function that gives it back. */
  async connection() {
    if (this.open >= this.limits.connections) {
      await new Promise((resolve) => {
        this.waiting.push(resolve);
        this.cancelStalled();
      });
    }
    this.open += 1;
    let returned = false;
    return () => {
      if (returned) return;
      returned = true;
      this.open -= 1;
      this.waiting.shift()?.();
    };
  }

  /**
   * When others wait and nobody reads what the open connections brought, the oldest of them gives way. Answers may come
   * all at once where the process stood still: whoever reads them has a turn to come.
   */
  cancelStalled(looks = 0) {
    if (!this.alive || this.waiting.length === 0 || this.stalled.size < this.limits.connections) return;
    if (looks === 0 || (this.turns > 0 && looks < MOST_LOOKS)) {
      current.exit(() => setImmediate(() => this.cancelStalled(looks + 1)));
      return;
    }
    const [oldest] = this.stalled;
    oldest.cancel();
  }

  /** Another event of a context that outlives one: limits count from here. */
  startEvent() {
    this.subrequests = 0;
    this.internalSubrequests = 0;
    this.dataPoints = 0;
  }

  count(internal) {
    const field = internal ? "internalSubrequests" : "subrequests";
    if (++this[field] > this.limits[field]) {
      throw new Error("Too many subrequests by single Worker invocation.");
    }
  }

  /** The client is gone: what streams exist are frozen, and only waitUntil keeps the context alive. */
  hangUp(abort) {
    if (this.answered || !this.alive) return;
    this.epoch += 1;
    clock.advance();
    this.run(abort);
    this.end();
  }

  /** The response has left, or there will be none: the waitUntil tasks have `waitUntilMs` left. */
  end() {
    if (this.answered) return;
    this.answered = true;
    this.cut = setTimeout(() => {
      log("warn", [WAIT_UNTIL_CUT]);
      this.die();
    }, this.limits.waitUntilMs);
    this.#maybeEnd();
  }

  #maybeEnd() {
    if (this.answered && this.tasks.size === 0) setImmediate(() => this.tasks.size === 0 && this.die());
  }

  die() {
    if (!this.alive) return;
    this.alive = false;
    clearTimeout(this.cut);
    if (this.stalled.size > 0 && this.epoch === 0) log("warn", [ABANDONED], { kind: "abandoned" });
    for (const close of [...this.onDeath]) close();
    this.resolveDead();
  }

  /** The host waits for something only the Worker's code can bring: a chunk of the response. */
  async expect(promise) {
    this.expected = true;
    this.#wakeable(0);
    try {
      return await promise;
    } finally {
      this.expected = false;
    }
  }

  #wakeable(change) {
    this.pending += change;
    if (this.pending === 0 && this.kind !== "durable object" && !this.checking) {
      this.checking = true;
      current.exit(() => setTimeout(() => this.#checkHung(), this.limits.hungAfterMs));
    }
  }

  #checkHung() {
    this.checking = false;
    if (this.pending > 0 || !this.alive) return;
    if (!this.answered && (!this.handled || this.expected)) {
      log("error", [HUNG]);
      this.fail(new Error(HUNG));
    } else if (this.answered && this.tasks.size > 0) {
      log("error", [HUNG], { kind: "waitUntil" });
      this.die();
    }
  }
}

/** The context of the code that runs now, or undefined outside any. */
export const running = () => current.getStore();

/** Runs host work outside any context. */
export const outside = (work) => current.exit(work);

/** The context of the code that runs now; without one this is the import, where `rule` forbids it. */
export function require(rule) {
  const context = current.getStore();
  if (context === undefined) throw new RuleError(rule, GLOBAL_SCOPE);
  return context;
}

/** I/O with a binding: counted, within the connection limit, moving the clock. */
export function io(what, start, { internal = true, connection = false } = {}) {
  const context = require("io");
  context.count(internal);
  const work = async () => {
    const release = connection ? await context.connection() : undefined;
    try {
      return await start(context);
    } finally {
      release?.();
    }
  };
  return context.hold(work(), { what });
}

export function describe(error) {
  if (error instanceof Error) return error.name === "PythonError" ? error.message : `${error.name}: ${error.message}`;
  try {
    return String(error);
  } catch {
    return "an error that cannot be shown";
  }
}
