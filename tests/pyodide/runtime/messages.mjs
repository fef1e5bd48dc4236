// Request, Response, Headers and bodies as a Worker has them.
//
// Rules (workerd):
// - a message with a body belongs to the invocation that made it;
// - headers of an incoming request and of a fetched response are immutable;
// - a body that is a Python object kills the interpreter in production: here it raises, loudly;
// - options that workerd does not implement raise instead of being ignored.

import { running } from "./context.mjs";
import { PYTHON_BODY } from "./errors.mjs";
import { emit } from "./log.mjs";
import { guardOf, guardReadable, knownLength, networkStream, setKnownLength } from "./streams.mjs";

const Native = { Request, Response, Headers };
const NOT_IMPLEMENTED = ["credentials", "mode", "referrer", "referrerPolicy", "integrity", "window", "priority"];

const owners = new WeakMap();
const extras = new WeakMap(); // message -> what Node's class cannot carry: cf, signal, url, length…

let isPyProxy = () => false;
export const teachPyProxy = (test) => (isPyProxy = test);

export const ownerOf = (message) => owners.get(message);
export const extraOf = (message) => extras.get(message) ?? {};

function immutable(headers) {
  for (const name of ["set", "append", "delete"]) {
    Object.defineProperty(headers, name, {
      value() {
        throw new TypeError("Can't modify immutable headers.");
      },
    });
  }
  return headers;
}

/** Node's Headers look at Python iterables as records: give them what they mean. */
function plain(init) {
  if (init !== null && typeof init === "object" && isPyProxy(init)) {
    return Array.from(init, (entry) => Array.from(entry, String));
  }
  return init ?? undefined;
}

class WorkerHeaders extends Native.Headers {
  constructor(init) {
    super(plain(init));
  }
}
Object.defineProperty(WorkerHeaders, "name", { value: "Headers" });
export { WorkerHeaders };

/** What `body` is, checked; and its length if that is known in advance. */
function inspectBody(body) {
  if (body === null || body === undefined) return { body: null, length: 0 };
  if (isPyProxy(body)) {
    emit({ fatal: PYTHON_BODY });
    throw new Error(PYTHON_BODY);
  }
  if (body instanceof ReadableStream) {
    guardOf(body)?.owner?.check("ReadableStream");
    return { body, length: knownLength(body) };
  }
  if (typeof body === "string") return { body, length: Buffer.byteLength(body) };
  if (ArrayBuffer.isView(body) || body instanceof ArrayBuffer) return { body, length: body.byteLength };
  return { body, length: body instanceof Blob ? body.size : undefined };
}

function refuseUnimplemented(init) {
  for (const name of NOT_IMPLEMENTED) {
    if (init[name] !== undefined) {
      throw new Error(`The '${name}' field on 'RequestInitializerDict' is not implemented.`);
    }
  }
  if (init.redirect === "error") {
    throw new TypeError(
      'Invalid redirect value, must be one of "follow" or "manual" ("error" won\'t be implemented since it does not ' +
        'make sense at the edge; use "manual" and check the response status code).',
    );
  }
  if (init.cache !== undefined && !["no-store", "no-cache", "reload"].includes(init.cache)) {
    throw new TypeError(`Unsupported cache mode: ${init.cache}`);
  }
}

/** Adds to a message class of Node what all bodies share: one owner, and reads that are its I/O. */
function withBody(NativeClass) {
  return class extends NativeClass {
    get body() {
      const body = super.body;
      if (body === null) return null;
      const owner = owners.get(this);
      owner?.check("body");
      return guardReadable(body, { owner });
    }
    get headers() {
      return extraOf(this).headers ?? super.headers;
    }
    clone() {
      owners.get(this)?.check("body");
      const copy = Object.setPrototypeOf(super.clone(), Object.getPrototypeOf(this));
      owners.set(copy, owners.get(this));
      extras.set(copy, { ...extraOf(this) });
      return copy;
    }
    #consume(read) {
      const owner = owners.get(this);
      owner?.check("body");
      const { born = owner?.epoch } = extraOf(this);
      const promise = read();
      return owner ? owner.hold(promise, { what: "body", born }) : promise;
    }
    text() {
      return this.#consume(() => super.text());
    }
    json() {
      return this.#consume(() => super.json());
    }
    arrayBuffer() {
      return this.#consume(() => super.arrayBuffer());
    }
    blob() {
      return this.#consume(() => super.blob());
    }
    formData() {
      return this.#consume(() => super.formData());
    }
    bytes() {
      return this.#consume(async () => new Uint8Array(await super.arrayBuffer()));
    }
  };
}

class WorkerResponse extends withBody(Native.Response) {
  constructor(body, init = {}) {
    const { body: checked, length } = inspectBody(body);
    const { encodeBody = "automatic", cf, status, statusText, headers } = init ?? {};
    super(checked, { status, statusText: statusText ?? "", headers: plain(headers) });
    owners.set(this, running());
    extras.set(this, { length, encodeBody, cf, source: typeof checked === "string" ? checked : undefined });
  }
  get url() {
    return extraOf(this).url ?? "";
  }
  get redirected() {
    return extraOf(this).redirected ?? false;
  }
  get cf() {
    return extraOf(this).cf;
  }
  get webSocket() {
    return null;
  }
  static json(data, init = {}) {
    const response = new WorkerResponse(JSON.stringify(data), init);
    if (!response.headers.has("content-type")) response.headers.set("content-type", "application/json");
    return response;
  }
  static redirect(url, status = 302) {
    if (![301, 302, 303, 307, 308].includes(status)) throw new RangeError(`${status} is not a redirect status code.`);
    return new WorkerResponse(null, { status, headers: { location: new URL(url).href } });
  }
  static error() {
    throw new Error("Response.error() is not implemented.");
  }
}
Object.defineProperty(WorkerResponse, "name", { value: "Response" });

class WorkerRequest extends withBody(Native.Request) {
  constructor(input, init = {}) {
    const options = init ?? {};
    refuseUnimplemented(options);
    const { body, length } = inspectBody(options.body);
    const { method, redirect, signal, headers, cf } = options;
    const from = input instanceof Native.Request ? input : undefined;
    from && owners.get(from)?.check("Request");
    let target = input;
    if (!from) {
      try {
        target = new URL(String(input)).href;
      } catch {
        throw new TypeError(`Invalid URL: ${input}`);
      }
    }
    const native = { method, redirect, headers: plain(headers) };
    if (options.body !== undefined) native.body = body;
    if (native.body || from?.body) native.duplex = "half";
    for (const key of Object.keys(native)) native[key] === undefined && delete native[key];
    super(target, native);
    owners.set(this, running());
    extras.set(this, { length, cf: cf ?? (from && extraOf(from).cf), signal: signal ?? (from && extraOf(from).signal) });
  }
  get cf() {
    return extraOf(this).cf;
  }
  get signal() {
    const extra = extraOf(this);
    return (extra.signal ??= new AbortController().signal);
  }
}
Object.defineProperty(WorkerRequest, "name", { value: "Request" });

export { WorkerRequest, WorkerResponse };

/** The Response of a fetch: immutable headers, a body that comes from the network. */
export function fetchedResponse(owner, native, body) {
  const empty = [101, 204, 205, 304].includes(native.status);
  const response = new WorkerResponse(empty ? null : body, { status: native.status, statusText: native.statusText, headers: native.headers });
  owners.set(response, owner);
  Object.assign(extras.get(response), {
    url: native.url,
    redirected: native.redirected,
    headers: immutable(response.headers),
    network: true,
  });
  return response;
}

/** The Request of a client. */
export function incomingRequest(owner, url, { method, headers, body, cf, signal }) {
  return owner.run(() => {
    const request = new WorkerRequest(url, { method, headers, body, cf, redirect: "manual" });
    Object.assign(extras.get(request), { headers: immutable(request.headers), signal });
    return request;
  });
}

/** The bytes of a message, now arriving in `owner`: what crosses to another invocation does so as over the network. */
function carry(message, body, owner) {
  if (body === null) return null;
  const reader = ReadableStream.prototype.getReader.call(body);
  const stream = networkStream(owner, {
    async pull() {
      const { done, value } = await Object.getPrototypeOf(reader).read.call(reader);
      return done ? undefined : value;
    },
    cancel: (reason) => Object.getPrototypeOf(reader).cancel.call(reader, reason),
  });
  setKnownLength(stream, extraOf(message).length);
  return stream;
}

const nativeBody = (NativeClass, message) => Object.getOwnPropertyDescriptor(NativeClass.prototype, "body").get.call(message);

/** A request that a Worker sends to another of its invocations, as that one receives it. */
export function receivedRequest(owner, request) {
  const body = carry(request, nativeBody(Native.Request, request), owner);
  return incomingRequest(owner, request.url, { method: request.method, headers: request.headers, body, cf: extraOf(request).cf });
}

/** A response of another invocation, as `owner` receives it. */
export function receivedResponse(owner, response) {
  const body = carry(response, nativeBody(Native.Response, response), owner);
  return owner.run(() => fetchedResponse(owner, response, body));
}
