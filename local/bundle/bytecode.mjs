// Compile every Python file of a bundle beside it, with the interpreter that will read it; print one line of JSON.
//
// Standard input is JSON: {pyodide, folder}. Answer: {files, bytes, failed: ["path: reason", …]}.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const COMPILE = `
def compile_all(root):
    import json, pathlib, py_compile
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    files, total, failed = 0, 0, []
    for path in sorted(pathlib.Path(root).rglob("*.py")):
        relative = path.relative_to(root).as_posix()
        try:
            made = py_compile.compile(
                str(path), dfile="/session/metadata/" + relative.removeprefix("src/"), doraise=True,
                invalidation_mode=mode,
            )
        except py_compile.PyCompileError as error:
            failed.append(f"{relative}: {error.msg.strip().splitlines()[-1]}")
            continue
        files += 1
        total += pathlib.Path(made).stat().st_size
    return json.dumps({"files": files, "bytes": total, "failed": failed})
compile_all
`;

const { pyodide: pyodideFolder, folder } = JSON.parse(readFileSync(0, "utf-8"));
const { loadPyodide } = await import(pathToFileURL(join(pyodideFolder, "pyodide.mjs")).href);
const silent = () => {};
const pyodide = await loadPyodide({ stdout: silent, stderr: silent, env: { HOME: "/session", PYTHONHASHSEED: "0" } });
pyodide.FS.mkdirTree("/bundle");
pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: folder }, "/bundle");
const answer = pyodide.runPython(COMPILE)("/bundle");
await new Promise((resolve) => process.stdout.write(`${answer}\n`, resolve));
process.exit(0);
