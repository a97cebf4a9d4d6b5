"""YAML text to plain values that remember where they stood.

Scalars stay text, whatever YAML 1.1 would make of them: a MAC address is no sexagesimal number, a
bootstrap called ``1.10`` keeps its zero, and ``on`` is a boolean only where one is expected. The
models in :mod:`vmboot.fleet.specmodels` know what each text should be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from vmboot.errors import InputError, Place

#: A fleet document of 5,000 listed names has some 250 kB.
MAX_BYTES = 1 << 20
#: Nodes after aliases are followed, so that nested anchors cannot grow without end.
MAX_NODES = 50_000
MAX_DEPTH = 20

#: The cure for a document that is not there, or is none.
WHERE_TO_START = (
    "examples/fleet.yml and the README have one to start from; 'vmboot schema' lists every key"
)

Path = tuple[str | int, ...]


@dataclass
class Located:
    """A document and the place of each of its keys and values.

    :param values: by path, e.g. ``("targets", 0, "vms")``
    :param keys: the place of the key itself, for mapping entries
    """

    file: str
    data: Any = None
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)

    def place(self, path: Path) -> Place:
        """Where ``path`` stands, or the nearest thing around it that does exist."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Place(self.file))

    def key_place(self, path: Path) -> Place:
        return self.keys.get(path) or self.place(path)


def read_yaml(text: bytes, *, file: str) -> Located:
    """Parse one YAML document.

    :raises InputError: not UTF-8, not YAML, a duplicate key, or larger than any fleet needs
    """
    if len(text) > MAX_BYTES:
        raise InputError(
            f"the file has more than {MAX_BYTES} bytes, which no fleet document needs",
            place=Place(file),
            hint="patterns such as 'pvs-*' select many machines in one line",
        )
    located = Located(file)
    located.data = _Reader(located).value(_compose(text, file), ())
    return located


def _compose(text: bytes, file: str) -> yaml.Node:
    try:
        node = yaml.compose(text.decode("utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise InputError(
            f"byte {error.start} is not UTF-8", place=Place(file), hint="save the file as UTF-8"
        ) from None
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, file) from None
    except (yaml.YAMLError, RecursionError) as error:
        hint = "examples/fleet.yml shows how a fleet document looks"
        raise InputError(f"not YAML: {error}", place=Place(file), hint=hint) from None
    if node is None:
        raise InputError(
            "the file is empty",
            place=Place(file),
            hint=WHERE_TO_START,
        )
    return node


def _syntax_error(error: yaml.MarkedYAMLError, file: str) -> InputError:
    mark = error.problem_mark or error.context_mark
    place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
    problem = error.problem or error.context or "unreadable"
    if "'\\t'" in problem:
        return InputError(
            "not YAML: a line begins with a tab",
            place=place,
            hint="YAML indents with spaces only; replace the tabs",
        )
    return InputError(
        f"not YAML: {problem}", place=place, hint="check the indentation and quotes there"
    )


class _Reader:
    """Walks a node tree once, counting."""

    def __init__(self, located: Located) -> None:
        self._located = located
        self._nodes = 0

    def value(self, node: yaml.Node, path: Path) -> Any:
        self._count(node, path)
        self._located.values[path] = self._place(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        if node.tag == "tag:yaml.org,2002:null":
            return None
        return str(node.value)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise InputError(
                    "a key must be a plain word",
                    place=self._place(key_node),
                    hint="'vmboot schema' lists every key",
                )
            key = str(key_node.value)
            if key in found:
                raise self._duplicate(key, (*path, key), key_node)
            self._located.keys[(*path, key)] = self._place(key_node)
            found[key] = self.value(value_node, (*path, key))
        return found

    def _duplicate(self, key: str, path: Path, node: yaml.Node) -> InputError:
        first = self._located.keys[path]
        return InputError(
            f"key '{key}' is here twice; first in line {first.line}",
            place=self._place(node),
            hint="remove one of the two",
        )

    def _count(self, node: yaml.Node, path: Path) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise InputError(
                f"more than {MAX_NODES} values or {MAX_DEPTH} levels once aliases are followed",
                place=self._place(node),
                hint="write the fleet without nested anchors",
            )

    def _place(self, node: yaml.Node) -> Place:
        mark = node.start_mark
        return Place(self._located.file, mark.line + 1, mark.column + 1)


@dataclass(frozen=True)
class ListText:
    """Where the value of a top-level key that is a list stands in the text, in characters.

    :param column: where a block list's dashes stand, counted from 0
    :param flow: it is written as ``[a, b]``
    :param entries: start and end of each entry
    :param alias: it stands somewhere else, behind an anchor
    """

    start: int
    end: int
    column: int
    flow: bool
    entries: tuple[tuple[int, int], ...]
    alias: bool = False


def list_text(source: str, key: str) -> ListText | None:
    """Where the list of ``key`` stands; ``None`` if the document has no such list.

    :param source: YAML that :func:`read_yaml` has read
    """
    root = yaml.compose(source, Loader=yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else ()
    for name, node in pairs:
        if name.value == key and isinstance(node, yaml.SequenceNode):
            return ListText(
                start=node.start_mark.index,
                end=_text_end(node),
                column=node.start_mark.column,
                flow=bool(node.flow_style),
                entries=tuple((item.start_mark.index, _text_end(item)) for item in node.value),
                alias=node.start_mark.index < name.end_mark.index,
            )
    return None


def _text_end(node: yaml.Node) -> int:
    """Where the text of a node ends; PyYAML ends block collections at the next token."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _text_end(last[1] if isinstance(last, tuple) else last)
