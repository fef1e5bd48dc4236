// The module `_pyodide_entrypoint_helper`: what the SDK asks of the runtime.

import { pathToFileURL } from "node:url";
import { join } from "node:path";

import { require } from "./context.mjs";

/** Python's coroutines are borrowed for the call only: waitUntil takes a copy and gives it back when it is done. */
function patchWaitUntil(context) {
  if (Object.prototype.toString.call(context) !== "[object ExecutionContext]" || patched.has(context)) return;
  const waitUntil = context.waitUntil.bind(context);
  context.waitUntil = (awaitable) => {
    const owned = typeof awaitable?.copy === "function" ? awaitable.copy() : awaitable;
    waitUntil((async () => {
      try {
        await owned;
      } finally {
        if (owned !== awaitable) owned.destroy();
      }
    })());
  };
  patched.add(context);
}
const patched = new WeakSet();

export function entrypointHelper(env, modules) {
  const cloudflareWorkers = {
    env,
    waitUntil: (promise) => require("io").waitUntil(promise),
    WorkerEntrypoint: class WorkerEntrypoint {},
    DurableObject: class DurableObject {},
    RpcTarget: class RpcTarget {},
  };
  return {
    cloudflareWorkersModule: cloudflareWorkers,
    cloudflareSocketsModule: {
      connect() {
        throw new Error("connect() is not part of this host.");
      },
    },
    patchWaitUntil,
    async doAnImport(name) {
      if (name === "cloudflare:workers") return cloudflareWorkers;
      const vendored = /^python_modules\/(workers\/.+\.m?js)$/.exec(name);
      if (!vendored) throw new Error(`No such module "${name}".`);
      return import(pathToFileURL(join(modules, vendored[1])));
    },
    *patch_env_helper(changes) {
      const before = { ...env };
      Object.assign(env, changes);
      try {
        yield;
      } finally {
        for (const key of Object.keys(env)) delete env[key];
        Object.assign(env, before);
      }
    },
  };
}
