// From a client's HTTP request to the Worker's handler, and its response back.
//
// Rules (workerd):
// - bodies stream both ways; a slow client makes the Worker's writes wait;
// - the handler gets an instance of `Default` and an ExecutionContext of its own;
// - what is not a Response is an error; an exception is a 500;
// - a client that hangs up: reading the response stops without `cancel`, `request.signal` fires, waitUntil goes on;
// - a response with `content-encoding` that the Worker made is compressed on the way out.

import { createServer } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import zlib from "node:zlib";

import { clock } from "./clock.mjs";
import { describe, Invocation, outside } from "./context.mjs";
import { networkLost, NOT_A_RESPONSE } from "./errors.mjs";
import { log } from "./log.mjs";
import { extraOf, incomingRequest, ownerOf, WorkerResponse } from "./messages.mjs";
import { guardOf, networkStream } from "./streams.mjs";

// Cloudflare's edge: 16 KB of address, 128 KB of headers.
const MAX_HEAD_BYTES = (16 + 128) * 1024;
const BODILESS = new Set(["GET", "HEAD"]);
// Set-Cookie is sent apart; the others belong to the connection, not to the response.
const OWN_HEADERS = new Set(["set-cookie", "connection", "keep-alive", "transfer-encoding", "upgrade"]);
const ENCODERS = { gzip: zlib.createGzip, br: zlib.createBrotliCompress, deflate: zlib.createDeflate };

export class ExecutionContext {
  #invocation;
  constructor(invocation) {
    this.#invocation = invocation;
    this.props = {};
  }
  waitUntil(promise) {
    this.#invocation.waitUntil(promise);
  }
  passThroughOnException() {}
  get [Symbol.toStringTag]() {
    return "ExecutionContext";
  }
}

/** Runs one handler of `Default` from its instantiation to its result; `argsFor` gets the ExecutionContext. */
export async function invoke(runtime, context, name, argsFor, { relaxed = false } = {}) {
  const executionContext = new ExecutionContext(context);
  const instance = runtime.interpreter.instantiate("Default", executionContext, runtime.env);
  context.onDeath.add(() => instance.destroy());
  const called = runtime.interpreter.call(instance, name, argsFor(executionContext), { relaxed });
  const result = Promise.race([called, context.failed]);
  try {
    return await result;
  } finally {
    context.handled = true;
  }
}

function requestBody(context, message) {
  const chunked = message.headers["transfer-encoding"] !== undefined;
  if (BODILESS.has(message.method) || (!chunked && !(Number(message.headers["content-length"]) > 0))) return null;
  const chunks = message[Symbol.asyncIterator]();
  return networkStream(context, {
    async pull() {
      try {
        const { done, value } = await chunks.next();
        return done ? undefined : value;
      } catch {
        throw networkLost();
      }
    },
    cancel: () => message.resume(),
  });
}

function headersOf(message, cf) {
  const headers = new Headers();
  for (let i = 0; i < message.rawHeaders.length; i += 2) {
    headers.append(message.rawHeaders[i], Buffer.from(message.rawHeaders[i + 1], "latin1").toString("latin1"));
  }
  // Set by Cloudflare's edge: a client cannot.
  headers.set("cf-connecting-ip", message.socket.remoteAddress ?? "127.0.0.1");
  headers.set("cf-ray", `${Math.random().toString(16).slice(2, 18).padEnd(16, "0")}-${cf?.colo ?? "DEV"}`);
  if (cf?.country) headers.set("cf-ipcountry", cf.country);
  headers.delete("transfer-encoding");
  return headers;
}

function headersFor(response) {
  const headers = {};
  for (const [name, value] of response.headers) if (!OWN_HEADERS.has(name)) headers[name] = value;
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) headers["set-cookie"] = cookies;
  return headers;
}

/** The chunks of a response body, read inside its invocation so that `pull` of the Worker runs there. */
async function* chunksOf(context, body) {
  const fromNetwork = guardOf(body)?.network; // handed through: its chunks need none of the Worker's code
  const reader = context.run(() => ReadableStream.prototype.getReader.call(body));
  for (;;) {
    const chunk = context.run(() => reader.read());
    const { done, value } = await (fromNetwork ? chunk : context.expect(chunk));
    if (done) return;
    if (!(ArrayBuffer.isView(value) || value instanceof ArrayBuffer)) {
      throw new TypeError("This ReadableStream did not return bytes.");
    }
    yield ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value);
  }
}

/** `closed` settles when the connection is gone: then nothing else of the answer is heard of again. */
async function send(context, response, message, answer, closed) {
  const { length, encodeBody, source } = extraOf(response);
  const headers = headersFor(response);
  const body = context.run(() => response.body);
  const encoder = encodeBody === "manual" ? undefined : ENCODERS[headers["content-encoding"]];
  if (encoder) delete headers["content-length"];
  else if (length !== undefined && body !== null) headers["content-length"] = length;
  if (body === null && ![204, 304].includes(response.status) && message.method !== "HEAD") headers["content-length"] = 0;
  answer.writeHead(response.status, response.statusText || undefined, headers);
  if (body === null || message.method === "HEAD") {
    answer.end();
    return;
  }
  if (source !== undefined && !encoder && !response.bodyUsed) {
    await Promise.race([new Promise((resolve) => answer.end(source, resolve)), closed]);
    return;
  }
  answer.flushHeaders();
  if (encoder) {
    const chunks = Readable.from(chunksOf(context, body), { objectMode: false, highWaterMark: 0 });
    await pipeline(chunks, encoder({ flush: zlib.constants.Z_SYNC_FLUSH }), answer);
    return;
  }
  for await (const chunk of chunksOf(context, body)) {
    if (answer.destroyed) return;
    if (!answer.write(chunk)) await Promise.race([new Promise((resolve) => answer.once("drain", resolve)), closed]);
  }
  await Promise.race([new Promise((resolve) => answer.end(resolve)), closed]);
}

function check(context, response) {
  if (!(response instanceof WorkerResponse)) throw new TypeError(NOT_A_RESPONSE);
  const owner = ownerOf(response);
  if (owner !== undefined && owner !== context) context.run(() => owner.check("Response"));
  if (response.bodyUsed) throw new TypeError("Body has already been used. It can only be used once.");
  return response;
}

async function serve(runtime, message, answer) {
  const context = new Invocation("fetch", runtime.limits);
  context.what = `${message.method} ${message.url}`;
  runtime.invocations.add(context);
  context.dead.then(() => runtime.invocations.delete(context));
  clock.advance();
  const controller = new AbortController();
  const cf = runtime.cf;
  // Not `writableFinished`: that is true as well of an answer that was ended when its client was gone already.
  let left = false;
  answer.on("finish", () => (left = true));
  const closed = new Promise((resolve) => answer.on("close", resolve));
  answer.on("close", () => {
    if (left) return;
    context.hangUp(() => {
      if (runtime.flags.enable_request_signal) controller.abort(new DOMException("The client has disconnected", "AbortError"));
    });
  });
  try {
    const url = new URL(message.url, `http://${message.headers.host ?? "127.0.0.1"}`);
    const request = incomingRequest(context, url.href, {
      method: message.method,
      headers: headersOf(message, cf),
      body: requestBody(context, message),
      cf: { ...cf },
      signal: controller.signal,
    });
    const response = check(context, await context.run(() => invoke(runtime, context, "fetch", () => [request], { relaxed: true })));
    await Promise.race([send(context, response, message, answer, closed), context.failed]);
    context.end();
  } catch (error) {
    fail(context, error, answer);
  }
}

function fail(context, error, answer) {
  if (context.answered) return;
  log("error", [`Uncaught ${describe(error)}`], { kind: "exception" });
  if (!answer.headersSent) {
    answer.writeHead(500, { "content-type": "text/plain;charset=UTF-8" });
    answer.end("Internal Server Error");
  } else {
    answer.destroy();
  }
  context.end();
}

/** Starts to serve; resolves to the server and its port. */
export async function listen(runtime, port) {
  const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0, maxHeaderSize: MAX_HEAD_BYTES }, (message, answer) =>
    outside(() => void serve(runtime, message, answer)));
  server.on("clientError", (_error, socket) => socket.writable && socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  return { server, port: server.address().port };
}
