// Vectorize, in memory and exact, with the limits of the service and its delay.
//
// Rules:
// - shapes, defaults and limits: https://developers.cloudflare.com/vectorize/reference/client-api/, …/platform/limits/ and
//   …/reference/metadata-filtering/; a filter on a property without a metadata index is refused, where production may
//   only find nothing;
// - a mutation is answered with an id and applied `delay_ms` later; queries do not see it before;
// - what is not a plain object, a dense array or a finite number is refused, whatever JSON would make of it.

import { clock } from "./runtime/clock.mjs";
import { io, require } from "./runtime/context.mjs";

const LIMITS = { dimensions: 1536, idBytes: 64, namespaceBytes: 64, metadataBytes: 10 * 1024, batch: 1000, filterBytes: 2048 };
const TOP_K = { bare: 100, full: 20, usual: 5 };
const QUERY_OPTIONS = ["topK", "namespace", "returnValues", "returnMetadata", "filter"];
const VECTOR_MEMBERS = ["id", "values", "namespace", "metadata"];
const LEVELS = ["none", "indexed", "all"];
const OPERATORS = ["$eq", "$ne", "$lt", "$lte", "$gt", "$gte"];

const sizeOf = (string) => Buffer.byteLength(string);
const isPlain = (value) => Object.prototype.toString.call(value) === "[object Object]" && Object.getPrototypeOf(value) === Object.prototype;
const isPrimitive = (value) => ["string", "boolean"].includes(typeof value) || (typeof value === "number" && Number.isFinite(value));
const cosine = (one, other) => {
  let [product, a, b] = [0, 0, 0];
  for (let i = 0; i < one.length; i++) {
    product += one[i] * other[i];
    a += one[i] * one[i];
    b += other[i] * other[i];
  }
  return a && b ? product / Math.sqrt(a * b) : 0;
};

class Refused extends Error {
  constructor(operation, code, message) {
    super(`${operation}_ERROR (code = ${code}): ${message}`);
  }
}

/** Its name is the one that the SDK looks for. */
export class VectorizeIndexImpl {
  #dimensions;
  #indexed;
  #delayMs;
  #stored = new Map();
  #pending = [];

  constructor({ dimensions, metadata_indexes = [], delay_ms = 50 }) {
    if (!(dimensions >= 1 && dimensions <= LIMITS.dimensions)) throw new Error(`An index has 1 to ${LIMITS.dimensions} dimensions, not ${dimensions}.`);
    [this.#dimensions, this.#indexed, this.#delayMs] = [dimensions, new Set(metadata_indexes), delay_ms];
  }

  async query(vector, options) {
    const refuse = (message, code = 40000) => { throw new Refused("VECTOR_QUERY", code, message); };
    const asked = this.#numbers(vector, (message) => refuse(`invalid query vector, ${message}`, 40006));
    if (options !== undefined && !isPlain(options)) throw new TypeError("query(): 'options' must be an object.");
    const { topK = TOP_K.usual, namespace, returnValues = false, returnMetadata = "none", filter, ...rest } = options ?? {};
    if (Object.keys(rest).length) throw new TypeError(`the host knows no option ${Object.keys(rest)} of query(), only ${QUERY_OPTIONS}`);
    const level = typeof returnMetadata === "boolean" ? (returnMetadata ? "all" : "none") : returnMetadata;
    if (!LEVELS.includes(level)) refuse(`Invalid returnMetadata option. Expected: true, false, "none", "indexed" or "all"; got: ${level}`);
    if (typeof returnValues !== "boolean") refuse("returnValues must be a boolean");
    const most = returnValues || level === "all" ? TOP_K.full : TOP_K.bare;
    if (!Number.isInteger(topK) || topK < 1 || topK > most) refuse(`topK must be from 1 to ${most}, got ${topK}`, 40025);
    this.#name("namespace", namespace, LIMITS.namespaceBytes, refuse);
    if (filter !== undefined) this.#checkFilter(filter, refuse);
    return io("Vectorize", async () => {
      this.#apply();
      const found = [...this.#stored.values()]
        .filter((each) => (namespace === undefined || each.namespace === namespace) && passes(each.metadata, filter))
        .map((each) => ({ each, score: cosine(asked, each.values) }))
        .sort((one, other) => other.score - one.score)
        .slice(0, topK);
      const matches = found.map(({ each, score }) => ({
        id: each.id,
        score,
        ...(each.namespace !== undefined && { namespace: each.namespace }),
        ...(returnValues && { values: [...each.values] }),
        ...(level !== "none" && each.metadata && { metadata: this.#shown(each.metadata, level) }),
      }));
      return { count: matches.length, matches };
    }, { connection: true });
  }

  async upsert(vectors) {
    const refuse = (message, code = 40000) => { throw new Refused("VECTOR_UPSERT", code, message); };
    if (!Array.isArray(vectors)) throw new TypeError("upsert(): vectors.map is not a function");
    if (vectors.length < 1 || vectors.length > LIMITS.batch) refuse(`1 to ${LIMITS.batch} vectors a batch, got ${vectors.length}`);
    const written = vectors.map((vector) => {
      if (!isPlain(vector)) throw new TypeError("upsert(): a vector must be an object.");
      const { id, values, namespace, metadata, ...rest } = vector;
      if (Object.keys(rest).length) throw new TypeError(`the host knows no member ${Object.keys(rest)} of a vector, only ${VECTOR_MEMBERS}`);
      if (typeof id !== "string") refuse("id must be a string");
      this.#name("id", id, LIMITS.idBytes, refuse);
      this.#name("namespace", namespace, LIMITS.namespaceBytes, refuse);
      if (metadata !== undefined) checkMetadata(metadata, refuse);
      const numbers = this.#numbers(values, (message) => refuse(`invalid vector for id="${id}", ${message}`, 40012));
      return { id, values: numbers, namespace, metadata: metadata && structuredClone(metadata) };
    });
    return this.#mutate(() => written.forEach((vector) => this.#stored.set(vector.id, vector)));
  }

  async deleteByIds(ids) {
    const refuse = (message) => { throw new Refused("VECTOR_DELETE", 40000, message); };
    if (!Array.isArray(ids)) throw new TypeError("deleteByIds(): 'ids' must be an array.");
    if (ids.length < 1 || ids.length > LIMITS.batch) refuse(`1 to ${LIMITS.batch} ids, got ${ids.length}`);
    ids.forEach((id) => (typeof id === "string" ? this.#name("id", id, LIMITS.idBytes, refuse) : refuse("id must be a string")));
    return this.#mutate(() => ids.forEach((id) => this.#stored.delete(id)));
  }

  #mutate(change) {
    return io("Vectorize", async () => {
      this.#apply();
      this.#pending.push({ from: clock.real() + this.#delayMs, change });
      return { mutationId: globalThis.crypto.randomUUID() };
    }, { connection: true });
  }

  #apply() {
    while (this.#pending.length && this.#pending[0].from <= clock.real()) this.#pending.shift().change();
  }

  /** All of it, for a test that waits for no clock. No Worker can call this. */
  static applyAll(index) {
    while (index.#pending.length) index.#pending.shift().change();
  }

  #numbers(values, refuse) {
    if (!(Array.isArray(values) || values instanceof Float32Array || values instanceof Float64Array)) refuse("it must be an array of numbers");
    const numbers = Array.from(values);
    if (!numbers.every((value) => typeof value === "number" && Number.isFinite(value))) refuse("it must hold finite numbers only");
    if (numbers.length !== this.#dimensions) refuse(`expected ${this.#dimensions} dimensions, and got ${numbers.length} dimensions`);
    return Float32Array.from(numbers);
  }

  #name(what, value, limit, refuse) {
    if (value === undefined) return;
    if (typeof value !== "string" || sizeOf(value) < 1 || sizeOf(value) > limit) refuse(`${what} must be a string of 1 to ${limit} bytes`);
  }

  #checkFilter(filter, refuse) {
    if (!isPlain(filter) || Object.keys(filter).length === 0) refuse("filter must be a non-empty object", 40023);
    if (sizeOf(JSON.stringify(filter)) >= LIMITS.filterBytes) refuse(`filter must be less than ${LIMITS.filterBytes} bytes`, 40023);
    for (const [name, wanted] of Object.entries(filter)) {
      if (!this.#indexed.has(name)) refuse(`there is no metadata index on "${name}"`, 40023);
      const values = isPlain(wanted) ? Object.entries(wanted).map(([operator, value]) => (OPERATORS.includes(operator) ? value : Symbol("unknown"))) : [wanted];
      if (!values.every((value) => value === null || isPrimitive(value))) refuse(`filter on "${name}" is none that is known here`, 40023);
    }
  }

  #shown(metadata, level) {
    const entries = Object.entries(metadata);
    return structuredClone(Object.fromEntries(level === "all" ? entries : entries.filter(([name]) => this.#indexed.has(name))));
  }

  /** What a test may look at. */
  state() {
    this.#apply();
    return Object.fromEntries([...this.#stored.values()].map(({ id, namespace, metadata, values }) => [
      id, { namespace, metadata, dimensions: values.length },
    ]));
  }
}

function passes(metadata, filter) {
  const known = metadata ?? {};
  return Object.entries(filter ?? {}).every(([name, wanted]) => {
    if (!isPlain(wanted)) return known[name] === wanted;
    const tests = { $eq: (a, b) => a === b, $ne: (a, b) => a !== b, $lt: (a, b) => a < b, $lte: (a, b) => a <= b, $gt: (a, b) => a > b, $gte: (a, b) => a >= b };
    return Object.entries(wanted).every(([operator, value]) => tests[operator](known[name], value));
  });
}

function checkMetadata(metadata, refuse) {
  if (!isPlain(metadata)) refuse("metadata must be an object");
  for (const [name, value] of Object.entries(metadata)) {
    if (name === "" || name.startsWith("$") || /["|.]/.test(name)) refuse(`metadata key "${name}" is not allowed`);
    const isKnown = isPrimitive(value) || (Array.isArray(value) && value.every((item) => typeof item === "string"));
    if (!isKnown) refuse(`metadata "${name}" must be a string, a number, a boolean or an array of strings`);
  }
  const size = sizeOf(JSON.stringify(metadata));
  if (size > LIMITS.metadataBytes) refuse(`metadata of ${size} bytes exceeds the limit of ${LIMITS.metadataBytes} bytes`, 40010);
}

for (const name of ["query", "upsert", "deleteByIds"]) {
  const method = VectorizeIndexImpl.prototype[name];
  VectorizeIndexImpl.prototype[name] = function (...args) {
    return require("io").hold(method.apply(this, args), { what: "Vectorize" });
  };
}
