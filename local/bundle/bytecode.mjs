// Compile every Python file of a bundle beside it, with the interpreter that will read it; print one line of JSON.
//
// Docstrings stay behind, as under `python -OO`; asserts do not. Sources keep them.
// Standard input is JSON: {pyodide, folder}. Answer: {files, bytes, failed: ["path: reason", …]}.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const COMPILE = `
import ast, json, pathlib
from importlib.util import cache_from_source, source_hash
from importlib._bootstrap_external import _code_to_hash_pyc


def without_descriptions(tree):
    """The tree without docstrings, but for those of decorated classes: a dataclass would make one up, slowly."""
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.ClassDef) and node.decorator_list or ast.get_docstring(node, clean=False) is None:
            continue
        node.body[:1] = [] if len(node.body) > 1 else [ast.copy_location(ast.Pass(), node.body[0])]
    return tree


def compile_all(root):
    files, total, failed = 0, 0, []
    for path in sorted(pathlib.Path(root).rglob("*.py")):
        relative = path.relative_to(root).as_posix()
        source = path.read_bytes()
        try:
            tree = ast.parse(source, relative)
        except (SyntaxError, ValueError) as error:
            failed.append(f"{relative}: {error}")
            continue
        name = "/session/metadata/" + relative.removeprefix("src/")
        code = compile(without_descriptions(tree), name, "exec", dont_inherit=True)
        made = pathlib.Path(cache_from_source(str(path)))
        made.parent.mkdir(exist_ok=True)
        made.write_bytes(_code_to_hash_pyc(code, source_hash(source), checked=False))
        files += 1
        total += made.stat().st_size
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
