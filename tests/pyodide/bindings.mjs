// The bindings of `env`, in memory, with the limits production enforces.
//
// Rules:
// - every operation is I/O of the invocation that asks (runtime/context.mjs): counted, and refused during the import;
// - class names are those the SDK looks for (`_EnvWrapper` in workers/rpc.py);
// - a value a Worker reads is its own copy;
// - what is beyond a limit raises with the text of the real service.

import { clock } from "./runtime/clock.mjs";
import { io, require } from "./runtime/context.mjs";
import { workerFetch } from "./runtime/fetch.mjs";
import { knownLength } from "./runtime/streams.mjs";

const KV_KEY_BYTES = 512;
const KV_VALUE_BYTES = 25 * 1024 * 1024;
const KV_METADATA_BYTES = 1024;
const KV_BULK_KEYS = 100;
const LIST_LIMIT = 1000;
const R2_KEY_BYTES = 1024;

const bytesOf = async (value) => {
  if (value instanceof ReadableStream) return new Uint8Array(await new Response(value).arrayBuffer());
  if (typeof value === "string") return new TextEncoder().encode(value);
  if (value instanceof ArrayBuffer) return new Uint8Array(value.slice(0));
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice();
  if (value instanceof Blob) return new Uint8Array(await value.arrayBuffer());
  return undefined;
};
const text = (bytes) => new TextDecoder().decode(bytes);
const sizeOf = (string) => Buffer.byteLength(string);

/** The value of a stored thing in the form a Worker asked for. */
function inForm(bytes, form) {
  switch (form ?? "text") {
    case "text":
      return text(bytes);
    case "json":
      return JSON.parse(text(bytes));
    case "arrayBuffer":
      return bytes.slice().buffer;
    case "stream":
      return new Response(bytes.slice()).body;
    default:
      throw new TypeError('Unknown response type. Possible types are "text", "arrayBuffer", "json", and "stream".');
  }
}

export class KvNamespace {
  #entries = new Map();
  #written = new Map();

  #check(method, key) {
    if (key === "") throw new TypeError("Key name cannot be empty.");
    if (key === "." || key === "..") throw new TypeError(`"${key}" is not allowed as a key name.`);
    const size = sizeOf(key);
    if (size > KV_KEY_BYTES) {
      throw new Error(`KV ${method} failed: 414 UTF-8 encoded length of ${size} exceeds key length limit of ${KV_KEY_BYTES}.`);
    }
  }

  /** Writes of one key at most so often; production takes one a second. */
  #ration(key, pauseMs) {
    const now = clock.real();
    if (pauseMs && now < (this.#written.get(key) ?? -Infinity) + pauseMs) throw new Error("KV PUT failed: 429 Too Many Requests");
    this.#written.set(key, now);
  }

  #live(key) {
    const entry = this.#entries.get(key);
    if (entry?.expiration !== undefined && entry.expiration * 1000 <= clock.real()) {
      this.#entries.delete(key);
      return undefined;
    }
    return entry;
  }

  #read(keys, options) {
    const { type, cacheTtl } = typeof options === "string" ? { type: options } : (options ?? {});
    const list = Array.isArray(keys) ? keys : [String(keys)];
    if (list.length > KV_BULK_KEYS) throw new Error(`KV GET_BULK failed: 400 You can request a maximum of ${KV_BULK_KEYS} keys`);
    list.forEach((key) => this.#check("GET", String(key)));
    if (cacheTtl !== undefined && !(cacheTtl >= 30)) {
      throw new Error(`KV GET failed: 400 Invalid cache_ttl of ${cacheTtl}. Cache TTL must be at least 30.`);
    }
    return io("KvNamespace", async () => {
      const found = list.map((key) => {
        const entry = this.#live(key);
        return { value: entry ? inForm(entry.value, type) : null, metadata: entry?.metadata ?? null, cacheStatus: null };
      });
      return found;
    }, { connection: true });
  }

  async get(keys, options) {
    const found = await this.#read(keys, options);
    return Array.isArray(keys) ? new Map(keys.map((key, i) => [key, found[i].value])) : found[0].value;
  }

  async getWithMetadata(keys, options) {
    const found = await this.#read(keys, options);
    return Array.isArray(keys) ? new Map(keys.map((key, i) => [key, found[i]])) : found[0];
  }

  async put(name, value, options) {
    const key = String(name);
    this.#check("PUT", key);
    const { expirationTtl, expiration, metadata } = options ?? {};
    const nowSeconds = Math.floor(clock.real() / 1000);
    if (expirationTtl !== undefined && !(expirationTtl >= 60)) {
      throw new Error(`KV PUT failed: 400 Invalid expiration_ttl of ${expirationTtl}. Expiration TTL must be at least 60.`);
    }
    if (expiration !== undefined && !(expiration >= nowSeconds + 60)) {
      throw new Error(
        `KV PUT failed: 400 Invalid expiration of ${expiration}. Please specify integer greater than the current number ` +
          "of seconds since the UNIX epoch.",
      );
    }
    const described = metadata === undefined || metadata === null ? undefined : JSON.stringify(metadata);
    if (described !== undefined && sizeOf(described) > KV_METADATA_BYTES) {
      throw new Error(`KV PUT failed: 413 Metadata length of ${sizeOf(described)} exceeds limit of ${KV_METADATA_BYTES}.`);
    }
    await io("KvNamespace", async ({ limits }) => {
      this.#ration(key, limits.kvWriteMs);
      const bytes = await bytesOf(value);
      if (bytes === undefined) {
        throw new TypeError("KV put() accepts only strings, ArrayBuffers, ArrayBufferViews, and ReadableStreams as values.");
      }
      if (bytes.byteLength > KV_VALUE_BYTES) {
        throw new Error(`KV PUT failed: 413 Value length of ${bytes.byteLength} exceeds limit of ${KV_VALUE_BYTES}.`);
      }
      this.#entries.set(key, {
        value: bytes,
        expiration: expirationTtl !== undefined ? nowSeconds + Number(expirationTtl) : expiration,
        metadata: described === undefined ? undefined : JSON.parse(described),
      });
    }, { connection: true });
  }

  async delete(keys) {
    const list = Array.isArray(keys) ? keys : [String(keys)];
    list.forEach((key) => this.#check("DELETE", key));
    await io("KvNamespace", async () => list.forEach((key) => this.#entries.delete(key)), { connection: true });
  }

  async list(options) {
    const { prefix = "", limit = LIST_LIMIT, cursor } = options ?? {};
    return io("KvNamespace", async () => {
      const names = [...this.#entries.keys()].filter((name) => name.startsWith(prefix ?? "") && this.#live(name)).sort();
      const from = cursor ? names.findIndex((name) => name > Buffer.from(cursor, "base64url").toString()) : 0;
      const page = from < 0 ? [] : names.slice(from, from + Math.min(limit, LIST_LIMIT));
      const complete = from < 0 || from + page.length >= names.length;
      const keys = page.map((name) => {
        const { expiration, metadata } = this.#entries.get(name);
        return { name, ...(expiration !== undefined && { expiration }), ...(metadata !== undefined && { metadata }) };
      });
      return complete
        ? { keys, list_complete: true, cacheStatus: null }
        : { keys, list_complete: false, cursor: Buffer.from(page.at(-1)).toString("base64url"), cacheStatus: null };
    }, { connection: true });
  }

  /** What a test may look at. */
  state() {
    return Object.fromEntries([...this.#entries].filter(([key]) => this.#live(key)).map(([key, entry]) => [
      key, { text: text(entry.value), expiration: entry.expiration, metadata: entry.metadata },
    ]));
  }
}

export class R2Object {
  constructor({ key, bytes, ...rest }) {
    Object.assign(this, { key, size: bytes.byteLength, ...rest, httpEtag: `"${rest.etag}"`, storageClass: "Standard" });
  }
  writeHttpMetadata(headers) {
    for (const [name, value] of Object.entries(this.httpMetadata)) {
      headers.set(name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`), value);
    }
  }
}

export class R2ObjectBody extends R2Object {
  #content;
  constructor(stored) {
    super(stored);
    this.#content = new Response(stored.bytes.slice());
  }
  get body() {
    return this.#content.body;
  }
  get bodyUsed() {
    return this.#content.bodyUsed;
  }
  #read(method) {
    return require("io").hold(this.#content[method](), { what: "R2ObjectBody" });
  }
  arrayBuffer() {
    return this.#read("arrayBuffer");
  }
  text() {
    return this.#read("text");
  }
  json() {
    return this.#read("json");
  }
  blob() {
    return this.#read("blob");
  }
}

export class R2Bucket {
  #objects = new Map();

  #op(work) {
    return io("R2Bucket", work, { connection: true });
  }

  async head(key) {
    return this.#op(async () => (this.#objects.has(key) ? new R2Object(this.#objects.get(key)) : null));
  }

  async get(key) {
    return this.#op(async () => (this.#objects.has(key) ? new R2ObjectBody(this.#objects.get(key)) : null));
  }

  async put(key, value, options) {
    const { httpMetadata = {}, customMetadata = {}, onlyIf } = options ?? {};
    if (sizeOf(key) > R2_KEY_BYTES) throw new Error("put: The specified object name is not valid. (10020)");
    if (value instanceof ReadableStream && knownLength(value) === undefined) {
      throw new TypeError(
        "Provided readable stream must have a known length (request/response body or readable half of FixedLengthStream)",
      );
    }
    return this.#op(async () => {
      const old = this.#objects.get(key);
      if (onlyIf?.etagMatches !== undefined && onlyIf.etagMatches !== old?.etag) return null;
      if (onlyIf?.etagDoesNotMatch !== undefined && old && ["*", old.etag].includes(onlyIf.etagDoesNotMatch)) return null;
      const bytes = value === null || value === undefined ? new Uint8Array() : await bytesOf(value);
      if (bytes === undefined) throw new TypeError("put: the value is not a string, a buffer, a Blob or a ReadableStream.");
      const digest = Buffer.from(await globalThis.crypto.subtle.digest("SHA-256", bytes)).toString("hex");
      const stored = {
        key, bytes, version: digest.slice(32), etag: digest.slice(0, 32), uploaded: new Date(clock.real()), checksums: {},
        httpMetadata: { ...httpMetadata },
        customMetadata: Object.fromEntries(Object.entries(customMetadata).map(([name, v]) => [name, String(v)])),
      };
      this.#objects.set(key, stored);
      return new R2Object(stored);
    });
  }

  async delete(keys) {
    return this.#op(async () => [keys].flat().forEach((key) => this.#objects.delete(key)));
  }

  async list(options) {
    const { prefix = "", limit = LIST_LIMIT, cursor } = options ?? {};
    return this.#op(async () => {
      const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix) && !(cursor && key <= cursor)).sort();
      const page = keys.slice(0, Math.min(limit, LIST_LIMIT));
      const truncated = page.length < keys.length;
      return {
        objects: page.map((key) => new R2Object(this.#objects.get(key))),
        truncated, ...(truncated && { cursor: page.at(-1) }), delimitedPrefixes: [],
      };
    });
  }

  state() {
    return Object.fromEntries([...this.#objects].map(([key, { bytes, httpMetadata, customMetadata }]) => [
      key, { text: text(bytes), size: bytes.byteLength, httpMetadata, customMetadata },
    ]));
  }
}

const POINT = { indexes: 1, indexBytes: 96, blobs: 20, blobBytes: 16_000, doubles: 20 };

export class AnalyticsEngineDataset {
  #points = [];

  writeDataPoint(point) {
    const context = require("io");
    if (++context.dataPoints > context.limits.dataPoints) {
      throw new TypeError(`writeDataPoint(): Maximum of ${context.limits.dataPoints} data points per invocation.`);
    }
    const { indexes = [], blobs = [], doubles = [] } = point ?? {};
    for (const [name, values] of Object.entries({ indexes, blobs, doubles })) {
      if (!Array.isArray(values)) throw new TypeError(`writeDataPoint(): '${name}' is not an array.`);
      if (values.length > POINT[name]) throw new TypeError(`writeDataPoint(): Maximum of ${POINT[name]} ${name} supported.`);
    }
    const strings = (values) => values.map((value) => {
      if (value === null || value === undefined) return "";
      if (typeof value === "string") return value;
      if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return text(value);
      throw new TypeError("writeDataPoint(): a blob or an index is neither a string nor an ArrayBuffer.");
    });
    const [indexed, named] = [strings(indexes), strings(blobs)];
    const total = (values) => values.reduce((sum, value) => sum + sizeOf(value), 0);
    if (total(indexed) > POINT.indexBytes) {
      throw new TypeError(`writeDataPoint(): Size of indexes exceeds ${POINT.indexBytes} bytes.`);
    }
    if (total(named) > POINT.blobBytes) {
      throw new TypeError(`writeDataPoint(): Cumulative size of blobs exceeds ${POINT.blobBytes} bytes.`);
    }
    const numbers = doubles.map((value) => {
      if (typeof value === "bigint") throw new TypeError("Cannot convert a BigInt value to a number");
      if (!["number", "boolean"].includes(typeof value)) throw new TypeError("writeDataPoint(): a double is not a number.");
      return Number(value);
    });
    this.#points.push({ indexes: indexed, blobs: named, doubles: numbers });
  }

  state() {
    return this.#points;
  }
}

export class Ratelimit {
  #simple;
  #windows = new Map();

  constructor({ limit, period }) {
    if (![10, 60].includes(period)) throw new Error(`A rate limit's period is 10 or 60 seconds, not ${period}.`);
    this.#simple = { limit, period };
  }

  async limit(options) {
    const { key, ...rest } = options ?? {};
    if (typeof key !== "string") throw new TypeError("limit(): 'key' must be a string.");
    const unknown = Object.keys(rest);
    if (unknown.length > 0) throw new TypeError(`bad rate limit options: [${unknown}]`);
    return io("Ratelimit", async () => {
      const window = Math.floor(clock.real() / 1000 / this.#simple.period);
      const used = this.#windows.get(key);
      const count = used?.window === window ? used.count + 1 : 1;
      this.#windows.set(key, { window, count });
      return { success: count <= this.#simple.limit };
    });
  }

  state() {
    return Object.fromEntries(this.#windows);
  }
}

/** Workers AI: the models of a server of the test's, reached by the same `fetch` rules as any other I/O. */
export class Ai {
  #url;

  constructor(url) {
    this.#url = url;
  }

  async run(model, inputs, options) {
    if (typeof model !== "string") throw new TypeError("run(): 'model' must be a string.");
    if (Object.prototype.toString.call(inputs) !== "[object Object]") throw new TypeError("run(): 'inputs' must be an object.");
    const { returnRawResponse, signal, ...rest } = options ?? {};
    const unknown = Object.keys(rest);
    if (unknown.length > 0) throw new TypeError(`the host knows no option ${unknown} of run()`);
    const response = await workerFetch(`${this.#url}/run/${model}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(inputs),
      signal,
    });
    if (returnRawResponse) return response;
    if (!response.ok) {
      const error = new Error(await response.text());
      error.name = "InferenceUpstreamError";
      throw error;
    }
    return inputs.stream ? response.body : response.json();
  }

  /** It holds nothing. */
  state() {
    return {};
  }
}

// A refusal during the import is immediate, not a promise nobody may await; and the promise belongs to its invocation.
for (const [binding, methods] of [
  [KvNamespace, ["get", "getWithMetadata", "put", "delete", "list"]],
  [R2Bucket, ["head", "get", "put", "delete", "list"]],
  [Ratelimit, ["limit"]],
]) {
  for (const name of methods) {
    const method = binding.prototype[name];
    binding.prototype[name] = function (...args) {
      return require("io").hold(method.apply(this, args), { what: binding.name });
    };
  }
}
