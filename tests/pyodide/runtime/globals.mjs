// The global scope of the Worker, which Python sees as the module `js`: what workerd has, and nothing of Node.

import { timingSafeEqual } from "node:crypto";

import { WorkerDate, workerPerformance } from "./clock.mjs";
import { phase, require, running } from "./context.mjs";
import { GLOBAL_SCOPE, RuleError } from "./errors.mjs";
import { workerFetch } from "./fetch.mjs";
import { workerConsole } from "./log.mjs";
import { WorkerHeaders, WorkerRequest, WorkerResponse } from "./messages.mjs";
import { streamClasses } from "./streams.mjs";

const LANGUAGE = [
  "Object", "Array", "ArrayBuffer", "Atomics", "BigInt", "BigInt64Array", "BigUint64Array", "Boolean", "DataView", "Error",
  "AggregateError", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError",
  "FinalizationRegistry", "Float32Array", "Float64Array", "Infinity", "Int16Array", "Int32Array", "Int8Array", "Intl",
  "Iterator", "JSON", "Map", "Math", "NaN", "Number", "Promise", "Proxy", "Reflect", "RegExp", "Set", "SharedArrayBuffer",
  "String", "Symbol", "Uint16Array", "Uint32Array", "Uint8Array", "Uint8ClampedArray", "WeakMap", "WeakRef", "WeakSet",
  "WebAssembly", "decodeURI", "decodeURIComponent", "encodeURI", "encodeURIComponent", "escape", "unescape", "isFinite",
  "isNaN", "parseFloat", "parseInt", "undefined",
];
const PLATFORM = [
  "AbortController", "Blob", "DOMException", "Event", "EventTarget", "File", "FormData", "TextDecoder", "TextEncoder",
  "URL", "URLSearchParams", "atob", "btoa", "queueMicrotask", "structuredClone",
];

const noEntropy = () => {
  if (phase.importing) throw new RuleError("entropy", GLOBAL_SCOPE);
};

const native = globalThis.crypto;
// Objects rather than proxies, so that the snapshot check can find their members by name.
class SubtleCrypto {}
const subtle = new SubtleCrypto();
for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(native.subtle))) {
  if (name === "constructor") continue;
  // CPU work, not I/O: the promise belongs to its invocation, the clock does not move.
  subtle[name] = (...args) =>
    require("io").hold(native.subtle[name](...args), { what: "SubtleCrypto", advance: false });
}
subtle.timingSafeEqual = (a, b) => timingSafeEqual(new Uint8Array(a.buffer ?? a), new Uint8Array(b.buffer ?? b));

class Crypto {
  get subtle() {
    return subtle;
  }
  getRandomValues(array) {
    noEntropy();
    return native.getRandomValues(array);
  }
  randomUUID() {
    noEntropy();
    return native.randomUUID();
  }
}

function WorkerAbortSignal() {
  throw new TypeError("Illegal constructor");
}
Object.defineProperty(WorkerAbortSignal, "name", { value: "AbortSignal" });
WorkerAbortSignal.prototype = AbortSignal.prototype;
WorkerAbortSignal.any = (list) => AbortSignal.any(Array.from(list));
WorkerAbortSignal.abort = (reason) => AbortSignal.abort(reason);
WorkerAbortSignal.timeout = timeoutSignal;

function timeoutSignal(delayMs) {
  const context = require("timers");
  const controller = new AbortController();
  context.timer(
    () => controller.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError")),
    delayMs,
  );
  return controller.signal;
}

let lastTimer = 0;
const timers = new Map();

function startTimer(callback, delayMs, args, repeat) {
  const context = require("timers");
  const id = ++lastTimer;
  const arm = () =>
    timers.set(id, context.timer(() => {
      repeat ? arm() : timers.delete(id);
      callback(...args);
    }, Math.max(Number(delayMs) || 0, 0)));
  arm();
  return id;
}

function stopTimer(id) {
  timers.get(id)?.();
  timers.delete(id);
}

const noCode = new Proxy(Function, {
  construct() {
    throw new EvalError("Code generation from strings disallowed for this context");
  },
  apply() {
    throw new EvalError("Code generation from strings disallowed for this context");
  },
});

export function makeGlobals() {
  const scope = {};
  for (const name of [...LANGUAGE, ...PLATFORM]) if (name in globalThis) scope[name] = globalThis[name];
  Object.assign(scope, streamClasses, {
    globalThis: scope,
    self: scope,
    console: workerConsole,
    crypto: new Crypto(),
    Crypto,
    Date: WorkerDate,
    performance: workerPerformance,
    navigator: Object.freeze({ userAgent: "Cloudflare-Workers" }),
    Headers: WorkerHeaders,
    Request: WorkerRequest,
    Response: WorkerResponse,
    AbortSignal: WorkerAbortSignal,
    Function: noCode,
    fetch: workerFetch,
    setTimeout: (callback, delayMs, ...args) => startTimer(callback, delayMs, args, false),
    setInterval: (callback, delayMs, ...args) => startTimer(callback, delayMs, args, true),
    clearTimeout: stopTimer,
    clearInterval: stopTimer,
    scheduler: {
      wait: (delayMs) =>
        require("timers").hold(new Promise((resolve) => startTimer(resolve, delayMs, [], false)), { what: "Timer" }),
    },
  });
  return scope;
}

/** What Pyodide's own JavaScript calls for its event loop: same rules, and the turn of the loop is no I/O. */
export const interpreterScheduling = {
  setTimeout: (callback, delayMs = 0, ...args) => {
    if (phase.importing) throw new RuleError("timers", GLOBAL_SCOPE);
    const context = running();
    return context ? context.timer(() => callback(...args), delayMs) : setTimeout(callback, delayMs, ...args);
  },
  setImmediate: (callback, ...args) => {
    if (phase.importing) throw new RuleError("timers", GLOBAL_SCOPE);
    const context = running();
    return context ? context.soon(() => callback(...args)) : setImmediate(callback, ...args);
  },
  clearTimeout: (handle) => (typeof handle === "function" ? handle() : clearTimeout(handle)),
  clearImmediate: (handle) => clearImmediate(handle),
  setInterval: (...args) => setInterval(...args),
  clearInterval: (handle) => clearInterval(handle),
};
