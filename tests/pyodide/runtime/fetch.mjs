// Outbound fetch: Node's, with workerd's errors and limits.
//
// Rules:
// - no connection, a reset, a truncated body: Error «Network connection lost.»;
// - a connection counts against the limit of open ones until its body has been read, cancelled, aborted or lost; when all are held
//   by bodies nobody reads, the oldest is cancelled so that the rest can go on;
// - when the invocation dies, its connections are closed.

import { clock } from "./clock.mjs";
import { require } from "./context.mjs";
import { networkLost } from "./errors.mjs";
import { log } from "./log.mjs";
import { extraOf, fetchedResponse, WorkerRequest } from "./messages.mjs";
import { networkStream } from "./streams.mjs";

const nativeFetch = globalThis.fetch;
const STALLED =
  "A stalled HTTP response was canceled to prevent deadlock. This can happen when a Worker calls fetch() several times " +
  "but does not read the bodies of the returned Response objects.";

const isAbort = (error) => error?.name === "AbortError" || error?.name === "TimeoutError";

/** What the Worker sees of an error of Node's fetch. */
function translate(error, signal) {
  if (signal?.aborted) return signal.reason;
  if (isAbort(error)) return error;
  return networkLost();
}

export function workerFetch(input, init = {}) {
  const context = require("io");
  let request;
  try {
    request = new WorkerRequest(input, init ?? {});
  } catch (error) {
    return Promise.reject(error);
  }
  const { protocol } = new URL(request.url);
  if (protocol !== "http:" && protocol !== "https:") {
    return Promise.reject(new TypeError(`Fetch API cannot load: ${request.url}`));
  }
  try {
    context.count(false);
  } catch (error) {
    return Promise.reject(error);
  }
  return context.hold(perform(context, request), { what: "fetch" });
}

async function perform(context, request) {
  const { signal } = extraOf(request);
  signal?.throwIfAborted();
  const release = await context.connection();
  const connection = new AbortController();
  const close = () => connection.abort();
  context.onDeath.add(close);
  const finish = () => {
    release();
    context.onDeath.delete(close);
    context.stalled.delete(body);
  };
  const signals = signal ? AbortSignal.any([signal, connection.signal]) : connection.signal;
  const body = { cancel: () => {} };
  let native;
  try {
    native = await nativeFetch(request, { signal: signals });
  } catch (error) {
    finish();
    throw translate(error, signal);
  }
  if (native.body === null || request.method === "HEAD") {
    finish();
    return fetchedResponse(context, native, null);
  }
  const reader = native.body.getReader();
  let lost;
  body.cancel = () => {
    lost = new Error(STALLED);
    log("warn", [STALLED]);
    connection.abort();
    finish();
  };
  context.stalled.add(body);
  signal?.addEventListener("abort", finish, { once: true });
  context.cancelStalled();
  const stream = networkStream(context, {
    async pull() {
      context.stalled.delete(body);
      try {
        if (lost) throw lost;
        const { done, value } = await reader.read();
        if (!done) return value;
        finish();
        return undefined;
      } catch (error) {
        finish();
        throw lost ?? translate(error, signal);
      }
    },
    async cancel(reason) {
      clock.advance();
      finish();
      await reader.cancel(reason).catch(() => {});
      connection.abort();
    },
  });
  return fetchedResponse(context, native, stream);
}
