"""Which modules a source file asks for, wherever in the file it does.

Read from the syntax tree, so imports inside functions and branches count, and so do `importlib.import_module`
and `__import__` with a constant name. Relative imports come out absolute.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One thing asked for: a module, or a name out of a module."""

    module: str
    name: str | None
    line: int
    for_types_only: bool

    @property
    def package(self) -> str:
        """Return the top-level package."""
        return self.module.split(".", 1)[0]


def module_name(path: Path, *, root: Path) -> str:
    """Return the dotted name of the Python file `path` when `root` is on the path."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of_file(path: Path, *, root: Path) -> list[Import]:
    """Return what the file imports. Raises SyntaxError."""
    name = module_name(path, root=root)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return imports_of(path.read_text(encoding="utf-8"), package=package)


def imports_of(source: str, *, package: str = "") -> list[Import]:
    """Return what the source text of a module inside `package` imports. Raises SyntaxError."""
    return list(_walk(ast.parse(source), package, for_types_only=False))


def _walk(node: ast.AST, package: str, *, for_types_only: bool) -> Iterator[Import]:
    match node:
        case ast.Import(names=names):
            for alias in names:
                yield Import(module=alias.name, name=None, line=node.lineno, for_types_only=for_types_only)
        case ast.ImportFrom(names=names):
            module = _absolute(node.module, node.level, package)
            for alias in names:
                name = None if alias.name == "*" else alias.name
                yield Import(module=module, name=name, line=node.lineno, for_types_only=for_types_only)
        case ast.If(test=test) if _is_type_checking(test):
            for guarded in node.body:
                yield from _walk(guarded, package, for_types_only=True)
            for other in node.orelse:
                yield from _walk(other, package, for_types_only=for_types_only)
            return
        case ast.Call() if (target := _dynamic_target(node, package)) is not None:
            yield Import(module=target, name=None, line=node.lineno, for_types_only=for_types_only)
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, package, for_types_only=for_types_only)


def _absolute(module: str | None, level: int, package: str) -> str:
    if level == 0:
        return module or ""
    parts = package.split(".") if package else []
    base = parts[: len(parts) - level + 1]
    return ".".join([*base, *([module] if module else [])])


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _dynamic_target(call: ast.Call, package: str) -> str | None:
    function = call.func
    called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)
    if called not in {"import_module", "__import__"} or not call.args:
        return None
    argument = call.args[0]
    if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
        return None
    target = argument.value
    level = len(target) - len(target.lstrip("."))
    return _absolute(target[level:] or None, level, package) if level else target
