// Import the entry modules of a bundle under the rules of a starting Worker; print one line of JSON.
//
// Standard input is JSON: {pyodide, src, pythonModules, entries, probes}. `entries` are imported with the rules in
// force, the first one timed; `probes` ([module, name or null]) are looked up afterwards with the rules lifted.
// Answer: {start_seconds, import_seconds, memory_bytes, loaded, failure: null | {entry, type, message, traceback},
// unresolved: {"module" or "module:name": {reason, absent: the module not found, or null}}}.

import { readFileSync } from "node:fs";

import { beginStartUp, endStartUp, startWorkerPython } from "./import_rules.mjs";

const IMPORT = `
def check_import(name):
    import importlib, json, sys, traceback
    try:
        importlib.import_module(name)
    except BaseException as error:
        return json.dumps({"type": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()})
    return ""
check_import
`;

const PROBE = `
def probe(text):
    import importlib, json
    missing = {}
    for module, name in json.loads(text):
        try:
            loaded = importlib.import_module(module)
            if name is not None and not hasattr(loaded, name):
                importlib.import_module(f"{module}.{name}")
        except BaseException as error:
            key = module if name is None else f"{module}:{name}"
            absent = error.name if isinstance(error, ModuleNotFoundError) else None
            missing[key] = {"reason": f"{type(error).__name__}: {error}", "absent": absent}
    return json.dumps(missing)
probe
`;

const spec = JSON.parse(readFileSync(0, "utf-8"));
const clock = performance.now.bind(performance);
const notes = [];
const say = (text) => notes.push(text);
const worker = await startWorkerPython({
  pyodideFolder: spec.pyodide,
  src: spec.src,
  pythonModules: spec.pythonModules,
  options: { stdout: say, stderr: say },
});
const answer = {
  start_seconds: worker.startSeconds, import_seconds: 0, memory_bytes: 0, loaded: [], failure: null, unresolved: {},
};
const { pyodide } = worker;
try {
  const checkImport = pyodide.runPython(IMPORT);
  beginStartUp(worker);
  for (const [index, entry] of spec.entries.entries()) {
    const began = clock();
    const failure = checkImport(entry);
    if (index === 0) {
      answer.import_seconds = (clock() - began) / 1000;
      answer.memory_bytes = pyodide._module.HEAP8.length;
    }
    if (failure) {
      answer.failure = { entry, ...JSON.parse(failure) };
      break;
    }
  }
  endStartUp(worker);
  answer.loaded = pyodide.runPython("import sys; sorted(map(str, sys.modules))").toJs();
  answer.unresolved = JSON.parse(pyodide.runPython(PROBE)(JSON.stringify(spec.probes)));
} catch (error) {
  // C-level entropy kills the interpreter: what is left is the JavaScript error.
  answer.failure ??= {
    entry: spec.entries[0] ?? "", type: error.name, message: String(error.message), traceback: notes.join("\n"),
  };
}
await new Promise((resolve) => process.stdout.write(JSON.stringify(answer) + "\n", resolve));
process.exit(0);
