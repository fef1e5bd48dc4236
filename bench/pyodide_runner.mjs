// Runs one Python module in Pyodide, the interpreter that Workers run, and passes on what it returns.
//
//   node pyodide_runner.mjs PYODIDE_DIR '{"module": "bench.telemetry", "mounts": {"/src": "…"}, "arguments": {}}'
//
// Each mounted folder goes to the front of sys.path, the first one foremost. The module's `measure(**arguments)` is
// called (and awaited, if there is something to await), and what it returns is printed as JSON on the last line; its
// prints go to standard error.
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const [pyodideDir, request] = process.argv.slice(2);
const { module, mounts, arguments: given } = JSON.parse(request);
const { loadPyodide } = await import(pathToFileURL(join(pyodideDir, "pyodide.mjs")).href);

const pyodide = await loadPyodide({
  indexURL: pyodideDir,
  stdout: (line) => process.stderr.write(`${line}\n`),
});
for (const [at, folder] of Object.entries(mounts)) {
  pyodide.FS.mkdirTree(at);
  pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: folder }, at);
}
pyodide.globals.set("request", JSON.stringify({ module, path: Object.keys(mounts), given: given ?? {} }));
try {
  const result = await pyodide.runPythonAsync(`
import importlib, json, sys
request = json.loads(request)
sys.path[:0] = request["path"]
result = importlib.import_module(request["module"]).measure(**request["given"])
json.dumps(await result if hasattr(result, "__await__") else result)
`);
  process.stdout.write(`${result}\n`);
} catch (error) {
  // Node would print the line that threw: all of Pyodide, in one line.
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
