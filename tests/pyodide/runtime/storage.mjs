// The storage of one Durable Object.
//
// Rules:
// - values are structured clones: what cannot be cloned raises;
// - keys are at most 2,048 bytes, values 128 KiB (2 MiB where the class is SQLite-backed), 128 keys an operation;
// - while an operation is under way no other event reaches the object (the input gate);
// - `deleteAll` takes the alarm along (compatibility date 2026-02-24 and later), and is no part of a transaction;
// - SQL: at most 100 parameters, 100 KB a statement, 2 MB a string, a blob or a row; parameters are strings, numbers,
//   ArrayBuffers or null; transactions only by `transactionSync`, no PRAGMA, no table `_cf_…`; numbers come back as doubles.
//   https://developers.cloudflare.com/durable-objects/platform/limits/

import { deserialize, serialize } from "node:v8";

import { clock } from "./clock.mjs";
import { require } from "./context.mjs";
import { openSqlite } from "./sqlite.mjs";

const KEY_BYTES = 2048;
const KEYS = 128;
const KIB = 1024;
const SQL_PARAMETERS = 100;
const SQL_STATEMENT_BYTES = 100_000;
const SQL_ROW_BYTES = 2_000_000;
const SQL_FORBIDDEN = /(?:^|;)\s*(?:begin|commit|end|rollback|savepoint|release|pragma|attach|detach|vacuum)\b|\b_cf_/i;

export class DurableObjectStorage {
  #entries = new Map();
  #gate;
  #valueBytes;
  #alarm;
  #database;
  #inTransaction = false;

  constructor({ gate, sqlite, onAlarm }) {
    this.#gate = gate;
    this.#valueBytes = (sqlite ? 2048 : 128) * KIB;
    this.sql = new SqlStorage(() => this.#openDatabase(sqlite));
    this.onAlarm = onAlarm;
  }

  #openDatabase(sqlite) {
    if (!sqlite) throw new Error("SQL is not enabled for this Durable Object class. To enable it, add new_sqlite_classes.");
    return (this.#database ??= openSqlite());
  }

  /** An operation: the gate stays shut until it is done. */
  #op(work) {
    const context = require("io");
    return context.hold(this.#gate(async () => work()), { what: "DurableObjectStorage" });
  }

  #key(key) {
    if (typeof key !== "string") throw new TypeError("Keys must be strings.");
    if (Buffer.byteLength(key) > KEY_BYTES) throw new RangeError(`Keys cannot be larger than ${KEY_BYTES} bytes.`);
    return key;
  }

  #keys(keys) {
    if (keys.length > KEYS) throw new RangeError(`Maximum number of keys is ${KEYS}.`);
    return keys.map((key) => this.#key(key));
  }

  get(keys) {
    if (!Array.isArray(keys)) this.#key(keys);
    else this.#keys(keys);
    return this.#op(() => {
      const read = (key) => (this.#entries.has(key) ? deserialize(this.#entries.get(key)) : undefined);
      if (!Array.isArray(keys)) return read(keys);
      return new Map(keys.filter((key) => this.#entries.has(key)).map((key) => [key, read(key)]));
    });
  }

  put(keyOrEntries, value) {
    const single = typeof keyOrEntries === "string";
    if (single && value === undefined) throw new TypeError("put() called with undefined value.");
    const entries = single ? [[keyOrEntries, value]] : Object.entries(keyOrEntries);
    this.#keys(entries.map(([key]) => key));
    const stored = entries.map(([key, item]) => {
      const bytes = serialize(structuredClone(item));
      if (bytes.byteLength > this.#valueBytes) {
        throw new RangeError(`Values cannot be larger than ${this.#valueBytes} bytes. A value of size ${bytes.byteLength} was provided.`);
      }
      return [key, bytes];
    });
    return this.#op(() => stored.forEach(([key, bytes]) => this.#entries.set(key, bytes)));
  }

  delete(keys) {
    const list = this.#keys([keys].flat());
    return this.#op(() => {
      const count = list.filter((key) => this.#entries.delete(key)).length;
      return Array.isArray(keys) ? count : count === 1;
    });
  }

  deleteAll() {
    if (this.#inTransaction) throw new Error("Cannot call deleteAll() within a transaction.");
    this.#entries.clear(); // at once, as SQLite is: only the confirmation is waited for
    this.#database?.close();
    this.#database = undefined;
    this.takeAlarm(undefined);
    return this.#op(() => undefined);
  }

  list(options) {
    const { start, startAfter, end, prefix = "", reverse = false, limit = Infinity } = options ?? {};
    return this.#op(() => {
      const keys = [...this.#entries.keys()].sort().filter((key) =>
        key.startsWith(prefix) && !(start !== undefined && key < start) && !(startAfter !== undefined && key <= startAfter) &&
        !(end !== undefined && key >= end));
      if (reverse) keys.reverse();
      return new Map(keys.slice(0, limit).map((key) => [key, deserialize(this.#entries.get(key))]));
    });
  }

  /** All or nothing: what `work` wrote is undone when it raises. */
  async transaction(work) {
    const before = new Map(this.#entries);
    try {
      return await work(this);
    } catch (error) {
      this.#entries = before;
      throw error;
    }
  }

  transactionSync(work) {
    const before = new Map(this.#entries);
    const nested = this.#inTransaction;
    this.#database?.script("SAVEPOINT host");
    this.#inTransaction = true;
    try {
      const result = work();
      this.#database?.script("RELEASE host");
      return result;
    } catch (error) {
      this.#entries = before;
      this.#database?.script("ROLLBACK TO host; RELEASE host");
      throw error;
    } finally {
      this.#inTransaction = nested;
    }
  }

  getAlarm() {
    return this.#op(() => this.#alarm ?? null);
  }

  setAlarm(time) {
    const at = time instanceof Date ? time.getTime() : Number(time);
    if (!Number.isFinite(at) || at <= 0) throw new TypeError("setAlarm() cannot be called with an alarm time <= 0");
    return this.#op(() => this.takeAlarm(at));
  }

  deleteAlarm() {
    return this.#op(() => this.takeAlarm(undefined));
  }

  sync() {
    return this.#op(() => undefined);
  }

  /** For the host: sets the alarm's time, and returns the one before. */
  takeAlarm(at) {
    const before = this.#alarm;
    this.#alarm = at;
    this.onAlarm(at === undefined ? undefined : Math.max(at - clock.real(), 0));
    return before;
  }

  get alarm() {
    return this.#alarm;
  }

  state() {
    return {
      alarm: this.#alarm ?? null,
      values: Object.fromEntries([...this.#entries].map(([key, bytes]) => [key, jsonable(deserialize(bytes))])),
    };
  }
}

function jsonable(value) {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, jsonable(item)]));
  if (value instanceof Set) return [...value].map(jsonable);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return { base64: Buffer.from(value).toString("base64") };
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return value.map(jsonable);
  if (value !== null && typeof value === "object" && !(value instanceof Date)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, jsonable(item)]));
  }
  return value;
}

export class SqlStorageCursor {
  #rows;
  constructor(rows, columnNames, changes) {
    this.#rows = rows;
    this.columnNames = columnNames;
    this.rowsRead = rows.length;
    this.rowsWritten = changes;
  }
  #named(row) {
    return Object.fromEntries(this.columnNames.map((name, at) => [name, row[at]]));
  }
  next() {
    const row = this.#rows.shift();
    return row === undefined ? { done: true } : { done: false, value: this.#named(row) };
  }
  toArray() {
    return this.#rows.splice(0).map((row) => this.#named(row));
  }
  one() {
    if (this.#rows.length !== 1) throw new Error(`Expected exactly one result from SQL query, but got ${this.#rows.length || "no"} results.`);
    return this.toArray()[0];
  }
  *raw() {
    yield* this.#rows.splice(0);
  }
  [Symbol.iterator]() {
    return this;
  }
}

function checkedParameters(query, bindings) {
  if (Buffer.byteLength(query) > SQL_STATEMENT_BYTES) throw new Error("statement too long: SQLITE_TOOBIG");
  if (SQL_FORBIDDEN.test(query)) throw new Error(`not authorized: SQLITE_AUTH (${query.trim().slice(0, 40)})`);
  if (bindings.length > SQL_PARAMETERS) throw new Error("too many SQL variables: SQLITE_ERROR");
  let size = 0;
  const values = bindings.map((value) => {
    if (value === null || value === undefined) return null;
    if (typeof value === "number") return value;
    if (typeof value === "string") {
      size += Buffer.byteLength(value);
      return value.toWellFormed?.() ?? Buffer.from(value).toString();
    }
    if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
      size += value.byteLength;
      return ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value);
    }
    // Production makes a text of `true` and refuses a BigInt: neither is what anyone means.
    throw new TypeError(`A parameter of a statement is a string, a number, an ArrayBuffer or null, not a ${typeof value}.`);
  });
  if (size > SQL_ROW_BYTES) throw new Error("string or blob too big: SQLITE_TOOBIG");
  return values;
}

export class SqlStorage {
  #open;
  constructor(open) {
    this.#open = open;
  }
  exec(query, ...bindings) {
    require("io");
    const values = checkedParameters(query, bindings);
    const database = this.#open();
    if (values.length === 0 && query.split(";").filter((part) => part.trim() !== "").length > 1) {
      database.script(query);
      return new SqlStorageCursor([], [], 0);
    }
    const { columns, rows, changes } = database.run(query, values);
    return new SqlStorageCursor(rows, columns, changes);
  }
}
