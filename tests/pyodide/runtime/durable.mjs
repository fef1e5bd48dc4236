// Durable Objects: one instance of a Python class per id, in the same interpreter, reached by RPC.
//
// Rules:
// - arguments and results are structured clones, so what production cannot serialise raises;
// - an object has one context for all its events: what it holds is its own, not its callers';
// - events wait while a storage operation or `blockConcurrencyWhile` is under way, but not between two operations: Python
//   goes on in a later turn of the loop, so another event may come first (a lock of the object's own is legal);
// - an object can be evicted between events: memory goes, storage stays;
// - methods whose name starts with an underscore cannot be called;
// - an alarm that raises is tried again with growing pauses, at most six times;
// - an object that its alarm wakes from eviction knows its id but not its name, as in workerd
//   (https://github.com/cloudflare/workerd/issues/6850); Cloudflare itself may be kinder.

import { createHash, randomBytes } from "node:crypto";

import { clock } from "./clock.mjs";
import { describe, Invocation, io, outside } from "./context.mjs";
import { NOT_A_RESPONSE, RuleError } from "./errors.mjs";
import { log } from "./log.mjs";
import { receivedRequest, receivedResponse, WorkerRequest, WorkerResponse } from "./messages.mjs";
import { DurableObjectStorage } from "./storage.mjs";

const ALARM_RETRIES = 6;
const FIRST_PAUSE_MS = 2_000;

export class DurableObjectId {
  #hex;
  constructor(hex, name) {
    this.#hex = hex;
    this.name = name; // undefined, but there, where nobody knows it
  }
  toString() {
    return this.#hex;
  }
  equals(other) {
    return String(other) === this.#hex;
  }
}

export class DurableObjectState {
  constructor(id, storage, { context, gate }) {
    this.id = id;
    this.storage = storage;
    Object.defineProperty(this, "_host", { value: { context, gate }, enumerable: false });
  }
  // Not patched for Python coroutines: production neither does it here.
  waitUntil(promise) {
    this._host.context.waitUntil(promise);
  }
  async blockConcurrencyWhile(work) {
    return this._host.gate(async () => {
      const result = work();
      try {
        return await result;
      } finally {
        result?.destroy?.();
      }
    });
  }
  abort(reason) {
    throw new Error(reason ?? "Application called abort() to reset Durable Object.");
  }
  get [Symbol.toStringTag]() {
    return "DurableObjectState";
  }
}

/** One object: its storage lives as long as the host, its Python instance until it is evicted. */
class Actor {
  #runtime;
  #shut = 0;
  #opened = [];
  #timer;

  constructor(runtime, className, id, { sqlite }) {
    this.#runtime = runtime;
    this.className = className;
    this.id = id;
    this.retries = 0;
    this.storage = new DurableObjectStorage({
      gate: (work) => this.#gate(work),
      sqlite,
      onAlarm: (delayMs) => this.#arm(delayMs),
    });
  }

  async #gate(work) {
    this.#shut += 1;
    try {
      return await work();
    } finally {
      this.#shut -= 1;
      if (this.#shut === 0) for (const open of this.#opened.splice(0)) open();
    }
  }

  async #delivered() {
    while (this.#shut > 0) await new Promise((resolve) => this.#opened.push(resolve));
  }

  /** Runs `event(instance)` in the object's own context. */
  async deliver(event, { nameless = false } = {}) {
    return outside(async () => {
      await this.#delivered();
      clock.advance();
      const { context, instance } = this.#alive(nameless ? new DurableObjectId(this.id.toString()) : this.id);
      context.startEvent();
      return Promise.race([context.run(() => event(instance, context)), context.failed]);
    });
  }

  #alive(id) {
    if (!this.living) {
      const context = new Invocation("durable object", this.#runtime.limits);
      const state = new DurableObjectState(id, this.storage, { context, gate: (work) => this.#gate(work) });
      const instance = context.run(() => this.#runtime.interpreter.instantiate(this.className, state, this.#runtime.env));
      this.living = { context, instance };
    }
    return this.living;
  }

  evict() {
    if (!this.living) return false;
    this.living.context.fail(new Error("The Durable Object was evicted."));
    this.living.context.die();
    this.living.instance.destroy();
    this.living = undefined;
    return true;
  }

  #arm(delayMs) {
    clearTimeout(this.#timer);
    if (delayMs === undefined || !this.#runtime.automaticAlarms) return;
    this.#timer = outside(() => setTimeout(() => this.fireAlarm(), Math.min(delayMs, 2 ** 31 - 1)));
    this.#timer.unref();
  }

  /** Runs `alarm()` if one is set; true if it did and succeeded. */
  async fireAlarm() {
    if (this.storage.alarm === undefined) return false;
    clearTimeout(this.#timer);
    this.storage.takeAlarm(undefined);
    const info = { retryCount: this.retries, isRetry: this.retries > 0, scheduledTime: clock.real() };
    try {
      await this.deliver((instance) => this.#runtime.interpreter.callSpecial(instance, "alarm", [info]), { nameless: true });
      this.retries = 0;
      return true;
    } catch (error) {
      log("error", [`Uncaught in alarm(): ${describe(error)}`], { kind: "alarm" });
      if (this.storage.alarm === undefined && this.retries < ALARM_RETRIES) {
        this.storage.takeAlarm(clock.real() + FIRST_PAUSE_MS * 2 ** this.retries);
        this.retries += 1;
      }
      return false;
    }
  }
}

/** What crosses the boundary of an RPC call. */
function clone(value) {
  try {
    return structuredClone(value);
  } catch (error) {
    throw new DOMException(`Could not serialize: ${error.message}`, "DataCloneError");
  }
}

/** An exception as the caller sees it: its class stays behind. */
function remote(error) {
  if (error?.name === "PythonError") return new Error(`PythonError: ${error.message}`);
  return error;
}

// The jurisdictions there are (https://developers.cloudflare.com/durable-objects/reference/data-location/).
const MARKS = { eu: "e0", fedramp: "fe" };

function known(jurisdiction) {
  if (jurisdiction !== undefined && !(jurisdiction in MARKS)) throw new TypeError(`Invalid jurisdiction: ${jurisdiction}`);
  return jurisdiction;
}

/** `eu:` before the name of an object that is there, for whoever looks at the state. */
function jurisdictionOf(id) {
  const found = Object.entries(MARKS).find(([, mark]) => id.toString().startsWith(mark));
  return found ? `${found[0]}:` : "";
}

export class DurableObjectNamespace {
  #runtime;
  #className;
  #options;
  #jurisdiction;
  #actors;

  constructor(runtime, { class_name: className, sqlite = true }, { jurisdiction, actors = new Map() } = {}) {
    this.#runtime = runtime;
    this.#className = className;
    this.#options = { sqlite };
    this.#jurisdiction = jurisdiction;
    this.#actors = actors;
  }

  // An id holds its jurisdiction for ever: here as its first two digits.
  #idOf(hex, jurisdiction, name) {
    return new DurableObjectId(`${MARKS[jurisdiction] ?? "00"}${hex.slice(2)}`, name);
  }
  idFromName(name) {
    const digest = createHash("sha256").update(`${this.#className}\0${this.#jurisdiction ?? ""}\0${name}`).digest("hex");
    return this.#idOf(digest, this.#jurisdiction, String(name));
  }
  newUniqueId({ jurisdiction } = {}) {
    if (jurisdiction !== undefined && this.#jurisdiction !== undefined && jurisdiction !== this.#jurisdiction) {
      throw new TypeError("newUniqueId called on jurisdictional subnamespace with a different jurisdiction");
    }
    return this.#idOf(randomBytes(32).toString("hex"), known(jurisdiction ?? this.#jurisdiction));
  }
  idFromString(hex) {
    if (!/^[0-9a-f]{64}$/.test(hex)) throw new TypeError("Invalid Durable Object ID: must be 64 hex digits");
    const id = new DurableObjectId(hex);
    this.#check(id, "idFromString");
    return id;
  }
  getByName(name) {
    return this.get(this.idFromName(name));
  }
  /** The same objects' class, in a jurisdiction: an id of another one is refused there; the whole namespace takes any. */
  jurisdiction(jurisdiction) {
    if (jurisdiction === undefined || jurisdiction === null) return this.#within(undefined);
    if (this.#runtime.flags.jurisdictions === false) throw new Error("Jurisdiction restrictions are not implemented in workerd.");
    return this.#within(known(String(jurisdiction)));
  }
  #within(jurisdiction) {
    const { sqlite } = this.#options;
    return new DurableObjectNamespace(this.#runtime, { class_name: this.#className, sqlite }, { jurisdiction, actors: this.#actors });
  }
  #check(id, method) {
    if (this.#jurisdiction !== undefined && !id.toString().startsWith(MARKS[this.#jurisdiction])) {
      throw new TypeError(`${method} called on jurisdictional subnamespace with an ID from a different jurisdiction`);
    }
  }

  get(id) {
    if (!(id instanceof DurableObjectId)) throw new TypeError("get() takes a DurableObjectId: use idFromName().");
    this.#check(id, "get");
    const key = id.toString();
    if (!this.#actors.has(key)) this.#actors.set(key, new Actor(this.#runtime, this.#className, id, this.#options));
    return this.#stub(this.#actors.get(key));
  }

  #stub(actor) {
    const { interpreter } = this.#runtime;
    const call = (name, args) => {
      const sent = args.map(clone);
      return io("DurableObject", () => actor.deliver(async (instance) => {
        if (name.startsWith("_")) throw new TypeError(`The RPC receiver does not implement the method "${name}".`);
        try {
          return clone(await interpreter.call(instance, name, sent));
        } catch (error) {
          throw remote(error);
        }
      }));
    };
    const stub = new (class DurableObject {
      get id() {
        return actor.id;
      }
      get name() {
        return actor.id.name;
      }
      fetch(input, init) {
        const request = new WorkerRequest(input, init);
        return io("DurableObject", async (caller) => {
          const response = await actor.deliver((instance, context) =>
            interpreter.call(instance, "fetch", [receivedRequest(context, request)], { relaxed: true }));
          if (!(response instanceof WorkerResponse)) throw new TypeError(NOT_A_RESPONSE);
          return receivedResponse(caller, response);
        });
      }
    })();
    return new Proxy(stub, {
      get(target, name, receiver) {
        if (typeof name !== "string" || name in target || name === "then") return Reflect.get(target, name, receiver);
        return (...args) => call(name, args);
      },
    });
  }

  /** Raises unless the Worker exports the class this namespace is bound to. */
  verify(exported) {
    if (!(this.#className in exported)) {
      throw new RuleError("entrypoint", `The main module exports no Durable Object class \`${this.#className}\`.`);
    }
  }

  /** For the control channel. */
  get actors() {
    return [...this.#actors.values()];
  }

  state() {
    return Object.fromEntries(this.actors.map((actor) => [
      `${jurisdictionOf(actor.id)}${actor.id.name ?? actor.id.toString()}`, { ...actor.storage.state(), in_memory: Boolean(actor.living) },
    ]));
  }
}
