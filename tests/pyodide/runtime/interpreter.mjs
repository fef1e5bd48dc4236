// The interpreter: Pyodide with the Worker's files, its import under the rules of the snapshot, and calls into its classes.
//
// Rules (workerd):
// - the file system holds the bundle and nothing of the machine; bytecode is there only where the bundle was compiled
//   (`bytecode` in the host's configuration), never that of a checkout;
// - during the import there is no entropy, no I/O, no timer, and the clock shows 0;
// - what the top level keeps of JavaScript must be reachable from the global scope by name, or the snapshot fails;
// - the main module exports classes; `Default` serves requests.

import { createRequire } from "node:module";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { clock, EmscriptenDate, emscriptenPerformance } from "./clock.mjs";
import { describe, phase, running } from "./context.mjs";
import { GLOBAL_SCOPE, RuleError } from "./errors.mjs";
import { interpreterScheduling } from "./globals.mjs";
import { log } from "./log.mjs";
import { teachPyProxy } from "./messages.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const STANDINS = join(HERE, "../../../local/bundle/standins");
const SESSION = "/session/metadata";
const VENDORED = `${SESSION}/python_modules`;
const FREE_SLOTS = 256; // so many in a row end the table
const BAD_ENTROPY = 43; // a constant that is easy to recognise

/** What the stand-ins of `_cloudflare` read and write. */
const rules = { allowedEntropyCalls: 0, starting: true };

/** Node's generator is where Emscripten's getentropy() ends. */
function guardEntropy() {
  const crypto = createRequire(import.meta.url)("node:crypto");
  const fill = crypto.randomFillSync;
  crypto.randomFillSync = (view) => {
    if (!rules.starting || !phase.importing) return fill(view);
    if (rules.allowedEntropyCalls === 0) throw new RuleError("entropy", GLOBAL_SCOPE);
    if (rules.allowedEntropyCalls > 0) rules.allowedEntropyCalls -= 1;
    return view.fill(BAD_ENTROPY);
  };
}

/** Pyodide's JavaScript with the Worker's clock and timers in its scope instead of Node's. */
async function patchedModule(pyodide) {
  const scope = { Date: EmscriptenDate, performance: emscriptenPerformance, ...interpreterScheduling };
  const key = "lumigate.interpreter";
  globalThis[Symbol.for(key)] = scope;
  const prelude = `const {${Object.keys(scope).join(",")}} = globalThis[Symbol.for(${JSON.stringify(key)})];\n`;
  const folder = mkdtempSync(join(tmpdir(), "worker-host-"));
  try {
    const file = join(folder, "pyodide.asm.mjs");
    writeFileSync(file, prelude + readFileSync(join(pyodide, "pyodide.asm.mjs"), "utf8"));
    return (await import(pathToFileURL(file))).default;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const isBytecode = (name) => name === "__pycache__" || name.endsWith(".pyc");

function copyTree(FS, from, to, keep, without = []) {
  FS.mkdirTree(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (!keep(entry.name) || without.includes(entry.name)) continue;
    const [source, target] = [join(from, entry.name), `${to}/${entry.name}`];
    if (entry.isDirectory()) copyTree(FS, source, target, keep);
    else FS.writeFile(target, readFileSync(source), { canOwn: true });
  }
}

/** Everything a program can name from the global scope: what the snapshot can restore. */
function reachable(scope, depth = 4) {
  const seen = new Set();
  let level = [scope];
  for (let i = 0; i <= depth && level.length > 0; i++) {
    const next = [];
    for (const value of level) {
      if (value === null || !["object", "function"].includes(typeof value) || seen.has(value)) continue;
      seen.add(value);
      next.push(Object.getPrototypeOf(value));
      for (const key of Reflect.ownKeys(value)) {
        const property = Reflect.getOwnPropertyDescriptor(value, key);
        if ("value" in property) next.push(property.value);
        else if (property.get) {
          try {
            next.push(value[key]);
          } catch {
            // a getter of a prototype that needs an instance
          }
        }
      }
    }
    level = next;
  }
  return seen;
}

/** The JavaScript values that Python objects refer to now. Slots are reused, so a free one is not the end. */
function heldByPython(module) {
  const held = new Set();
  for (let slot = 0, free = 0; free < FREE_SLOTS; slot++) {
    try {
      held.add(module.__hiwire_get(slot));
      free = 0;
    } catch {
      free += 1;
    }
  }
  return held;
}

export class Interpreter {
  static async start({ pyodide: folder, src, modules, main, globals, helper, flags, liveProxies, bytecode }) {
    guardEntropy();
    const keep = bytecode ? () => true : (name) => !isBytecode(name);
    const began = clock.real();
    const { loadPyodide } = await import(pathToFileURL(join(folder, "pyodide.mjs")));
    const pyodide = await loadPyodide({
      indexURL: folder,
      jsglobals: globals,
      createPyodideModule: await patchedModule(folder),
      // The hash seed is fixed because the snapshot is taken without entropy.
      env: { HOME: "/session", PYTHONHASHSEED: "111", PYTHONDONTWRITEBYTECODE: "1" },
      stdout: (line) => log("log", [line]),
      stderr: (line) => log("error", [line]),
      fsInit: async (FS, { sitePackages }) => {
        for (const [from, to] of [[join(HERE, "python"), ""], [join(STANDINS, "_cloudflare"), "/_cloudflare"]]) {
          copyTree(FS, from, sitePackages + to, (name) => !isBytecode(name));
        }
        copyTree(FS, modules, VENDORED, keep, ["bin"]);
        copyTree(FS, src, SESSION, keep);
      },
    });
    const ownStartSeconds = (clock.real() - began) / 1000;
    teachPyProxy((value) => value instanceof pyodide.ffi.PyProxy);
    pyodide.registerJsModule("_import_rules", rules);
    pyodide.registerJsModule("_pyodide_entrypoint_helper", helper);
    pyodide.registerJsModule("_cloudflare_compat_flags", flags);
    pyodide.loadPackage = () => {
      throw new Error("pyodide.loadPackage is disabled because packages are encoded in the binary");
    };
    liveProxies.watch(pyodide._module.finalizationRegistry);
    const interpreter = new Interpreter(pyodide, globals);
    interpreter.ownStartSeconds = ownStartSeconds;
    interpreter.restored = [helper, flags, rules, ...Object.values(helper)];
    await interpreter.#importMain(main.replace(/\.py$/, "").replaceAll("/", "."));
    return interpreter;
  }

  constructor(pyodide, globals) {
    this.pyodide = pyodide;
    this.globals = globals;
  }

  async #importMain(name) {
    const { pyodide } = this;
    // `js.X` of the standard library of Pyodide is not the Worker's doing.
    const before = heldByPython(pyodide._module);
    phase.importing = true;
    const started = clock.real();
    try {
      pyodide.runPython(
        `import sys; sys.path.append("${SESSION}")\n` +
          `from _host_start import before_top_level; before_top_level("${VENDORED}"); del before_top_level`,
      );
      this.main = pyodide.pyimport(name);
      this.entrypoints = pyodide.pyimport("_host_entrypoints");
      const found = this.entrypoints.classes(this.main);
      this.classes = found;
      this.importSeconds = (clock.real() - started) / 1000;
      this.#checkSnapshot(before);
    } finally {
      phase.importing = false;
    }
    rules.starting = false;
    clock.startServing();
    pyodide.runPython(
      "from _host_start import before_first_request; before_first_request(); del before_first_request",
    );
    if (!("Default" in this.classes.entrypoints)) {
      throw new RuleError("entrypoint", "The main module exports no class `Default` that extends WorkerEntrypoint.");
    }
  }

  #checkSnapshot(before) {
    const { pyodide } = this;
    pyodide.runPython("import gc; gc.collect(); del gc");
    const named = reachable(this.globals);
    const restored = [this.classes, this.entrypoints, this.main, pyodide, pyodide._api, ...this.restored];
    for (const value of heldByPython(pyodide._module)) {
      if (before.has(value) || named.has(value) || restored.includes(value)) continue;
      if (value === null || !["object", "function"].includes(typeof value)) continue;
      if (value instanceof pyodide.ffi.PyProxy) continue;
      throw new RuleError(
        "snapshot",
        "Can't serialize top-level variable. Please review any global variables you or your imported modules create at " +
          `the top-level of your code, and consider deleting them. Value: ${describe(value)} (${value.constructor?.name} with ${Object.keys(value).slice(0, 8)})`,
      );
    }
  }

  /** An instance of an exported class, as the runtime makes one for every request. */
  instantiate(className, context, env) {
    const cls = this.main[className];
    try {
      if (typeof cls !== "function") {
        throw new TypeError(`There is no '${className}' class defined in the Python Worker's main module`);
      }
      return cls(context, env);
    } finally {
      cls?.destroy?.();
    }
  }

  /** Calls a method; the result is what the Worker returned, as a JavaScript value. */
  async call(instance, name, args, { relaxed = false } = {}) {
    const method = instance[name];
    if (typeof method !== "function") throw new TypeError(`Method ${name} does not exist`);
    method.destroy();
    return this.#outcome(this.entrypoints.call(relaxed, instance, name, ...args));
  }

  /** Calls a handler that gets JavaScript values as they are. */
  async callSpecial(instance, name, args) {
    const method = instance[name];
    if (typeof method !== "function") throw new TypeError(`Method ${name} does not exist`);
    try {
      return await this.#outcome(this.entrypoints.call_special(method, ...args));
    } finally {
      method.destroy();
    }
  }

  /** What a coroutine comes to; Python must finish it in the context it began in, not in that of another's I/O. */
  async #outcome(coroutine) {
    const context = running();
    const release = () => coroutine.destroy();
    context?.onDeath.add(release);
    try {
      return await new Promise((resolve, reject) => {
        const here = (settle) => (value) => {
          try {
            context?.check("Promise");
            settle(value);
          } catch (error) {
            reject(error);
          }
        };
        coroutine.then(here(resolve), here(reject)).destroy?.();
      });
    } finally {
      context?.onDeath.delete(release);
      release();
    }
  }
}

/**
 * Counts the proxies that keep Python objects alive: what was made and never destroyed, though it may be collected.
 * Counting keeps nothing alive itself: only what the garbage collector has not found still weighs on memory.
 */
export class LiveProxies {
  #live = new Map();
  #orders = new WeakMap();
  #born = 0;

  watch(registry) {
    const { register, unregister } = registry;
    registry.register = (target, held, token) => {
      const order = ++this.#born;
      this.#orders.set(token, order);
      this.#live.set(order, { invocation: running()?.id, token: new WeakRef(token), trace: this.tracing && new Error().stack });
      return register.call(registry, target, held, token);
    };
    registry.unregister = (token) => {
      this.#live.delete(this.#orders.get(token));
      return unregister.call(registry, token);
    };
  }

  get count() {
    return this.#live.size;
  }

  report() {
    return [...this.#live]
      .filter(([, { invocation }]) => invocation !== undefined)
      .map(([order, { invocation, token, trace }]) => ({ order, invocation, collected: token.deref() === undefined, trace }));
  }
}
