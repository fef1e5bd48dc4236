// Pyodide as the Workers runtime starts it: the same interpreter and wheels, and its rules during import.
//
// While a Worker starts, entropy, timers, fetches and sockets raise, and Date.now() stands at 0. The bundle is
// copied into memory, as production mounts it: nothing is read from or written to the folders afterwards.
// The stand-ins for what the runtime provides are shared with the test suite's host (`tests/pyodide/`), which
// keeps the same rules and those of requests.

import { createRequire } from "node:module";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const SRC = "/session/metadata";
const MODULES = "/session/python_modules";
const STANDINS = "/session/standins";

/**
 * Start Pyodide with the bundle in memory and the rules not yet in force.
 *
 * - `pyodideFolder`: the npm package `pyodide`
 * - `src`, `pythonModules`: folders of the bundle; `pythonModules` may be null
 * - `compatFlags`: names that `_cloudflare_compat_flags` answers true to
 * - `entrypointHelper`: the JavaScript module `_pyodide_entrypoint_helper` of the Workers SDK
 * - `options`: further options for loadPyodide (`stdout`, `stderr`, `jsglobals`, ...)
 */
export async function startWorkerPython({
  pyodideFolder, src, pythonModules, compatFlags = [], entrypointHelper = emptyEntrypointHelper(), options = {},
}) {
  const { loadPyodide } = await import(pathToFileURL(join(pyodideFolder, "pyodide.mjs")).href);
  const flags = new Set(compatFlags);
  const rules = {
    starting: false,
    allowedEntropyCalls: 0,
    hasCompatFlag: (name) => flags.has(name),
  };
  guardEntropy(rules);
  const began = performance.now();
  const pyodide = await loadPyodide({ ...options, env: { HOME: "/session", PYTHONHASHSEED: "0", ...options.env } });
  const startSeconds = (performance.now() - began) / 1000;

  copyFolder(pyodide.FS, src, SRC);
  if (pythonModules) copyFolder(pyodide.FS, pythonModules, MODULES);
  copyFolder(pyodide.FS, join(HERE, "standins"), STANDINS);
  pyodide.registerJsModule("_import_rules", rules);
  pyodide.registerJsModule("_pyodide_entrypoint_helper", entrypointHelper);
  pyodide.runPython(`
import sys
sys.dont_write_bytecode = True
sys.path[:0] = ["${SRC}", "${STANDINS}"]
`);
  return { pyodide, rules, startSeconds };
}

/** Put the rules in force, then load what `.pth` files of the vendored packages ask for (the SDK's patches). */
export function beginStartUp({ pyodide, rules }) {
  rules.release = forbidInJavaScript(rules);
  rules.starting = true;
  pyodide.runPython(`
import site
import _start_up
_start_up.begin()
site.addsitedir("${MODULES}")
`);
}

/** Lift the rules, as ahead of the first request of an isolate. */
export function endStartUp({ pyodide, rules }) {
  rules.starting = false;
  rules.release?.();
  pyodide.runPython("import _start_up; _start_up.end()");
}

/** The fewest members that let the Workers SDK be imported. */
export function emptyEntrypointHelper() {
  return {
    cloudflareWorkersModule: { env: {}, waitUntil() {} },
    cloudflareSocketsModule: {},
    doAnImport: (name) => Promise.reject(new Error(`no module ${name} here`)),
    patch_env_helper: () => [],
    patchWaitUntil() {},
  };
}

// Pyodide draws C-level entropy from node:crypto. A throw out of here is fatal to the interpreter, as it is in
// production; _start_up.py turns the usual ways to it into a Python exception before they get this far.
function guardEntropy(rules) {
  const crypto = createRequire(import.meta.url)("node:crypto");
  const randomFillSync = crypto.randomFillSync;
  crypto.randomFillSync = (view, ...rest) => {
    if (!rules.starting) return randomFillSync(view, ...rest);
    if (rules.allowedEntropyCalls <= 0) throw forbidden("Randomness");
    rules.allowedEntropyCalls -= 1;
    return view.fill(43);
  };
}

function forbidInJavaScript(rules) {
  const guards = [
    [globalThis, "fetch", () => { throw forbidden("fetch()"); }],
    [globalThis, "WebSocket", function () { throw forbidden("WebSocket"); }],
    [globalThis, "setInterval", () => { throw forbidden("setInterval()"); }],
    [globalThis, "setTimeout", guardedTimeout(rules, globalThis.setTimeout)],
    [globalThis.crypto, "getRandomValues", () => { throw forbidden("crypto.getRandomValues()"); }],
    [globalThis.crypto, "randomUUID", () => { throw forbidden("crypto.randomUUID()"); }],
    [Date, "now", () => 0],
  ];
  const before = guards.map(([owner, name]) => Object.getOwnPropertyDescriptor(owner, name));
  for (const [owner, name, value] of guards) {
    Object.defineProperty(owner, name, { value, configurable: true, writable: true });
  }
  return () => guards.forEach(([owner, name], index) => {
    if (before[index]) Object.defineProperty(owner, name, before[index]);
    else delete owner[name]; // it was the prototype's
  });
}

function guardedTimeout(rules, setTimeout) {
  return (callback, delay = 0, ...rest) => {
    if (rules.starting && delay > 0) throw forbidden("a timer");
    return setTimeout(callback, delay, ...rest);
  };
}

function forbidden(what) {
  return new Error(`${what} is not allowed while a Worker is starting`);
}

function copyFolder(FS, folder, target) {
  FS.mkdirTree(target);
  for (const item of readdirSync(folder, { withFileTypes: true })) {
    const [from, to] = [join(folder, item.name), `${target}/${item.name}`];
    if (item.isDirectory()) {
      copyFolder(FS, from, to); // with the bytecode: what is uploaded is what Python sees
    } else {
      FS.writeFile(to, readFileSync(from), { canOwn: true });
    }
  }
}
