"""YAML that remembers where it stood: each value's line, so that an error can name it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

type Location = tuple[str | int, ...]


class SpecError(Exception):
    """A file that cannot be taken: one line for each fault, `file:line: field: what is wrong`."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document. `content` is what it says, `lines` where: by the path to a value."""

    file: str
    content: Any
    lines: dict[Location, int] = field(repr=False)

    def line(self, location: Location) -> int:
        """The line of a value; of the nearest thing around it, where the value is missing."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)

    def fault(self, location: Location, message: str) -> str:
        """`file:line: field: message`."""
        where = f"{self.file}:{self.line(location)}"
        name = ".".join(str(part) for part in location)
        return f"{where}: {name}: {message}" if name else f"{where}: {message}"


def read_documents(path: Path, shown_as: str | None = None) -> list[Document]:
    """The documents of a file. Raises SpecError if it is no YAML, or has a key twice."""
    name = shown_as or str(path)
    try:
        text = path.read_text(encoding="utf-8")
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except RecursionError:
        raise SpecError([f"{name}: nested too deeply, or within itself"]) from None
    except OSError as error:
        raise SpecError([f"{name}: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise SpecError([f"{name}: not UTF-8 at byte {error.start}"]) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpecError([f"{name}:{line}: not YAML: {error.problem}"]) from None
    except yaml.YAMLError as error:
        raise SpecError([f"{name}: not YAML: {error}"]) from None
    documents = []
    for node in nodes:
        if node is None:
            continue
        try:
            lines = dict(_walk(node, (), name))
        except RecursionError:
            raise SpecError([f"{name}: nested too deeply, or within itself"]) from None
        loader = yaml.SafeLoader("")
        try:
            content = loader.construct_document(node)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise SpecError([f"{name}:{line}: not YAML: {error.problem}"]) from None
        documents.append(Document(file=name, content=content, lines=lines))
    return documents


def _walk(node: yaml.Node, location: Location, file: str) -> Iterator[tuple[Location, int]]:
    yield location, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise SpecError([f"{file}:{key.start_mark.line + 1}: a key is to be a name"])
            if key.value in seen:
                raise SpecError(
                    [f"{file}:{key.start_mark.line + 1}: the key {key.value!r} stands here twice"]
                )
            seen.add(key.value)
            for place, line in _walk(value, (*location, key.value), file):
                # a value is looked for on the line of its key
                yield place, key.start_mark.line + 1 if len(place) == len(location) + 1 else line
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _walk(value, (*location, index), file)
