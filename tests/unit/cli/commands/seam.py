"""The Python API replaced by recorded values, so that a command's own work is seen alone."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

FLEET = SimpleNamespace(
    targets=(SimpleNamespace(vms=("/DC1/vm/PVS/*",)),),
    templates=(SimpleNamespace(vms=("/DC1/vm/Templates/*",)),),
    rollout=SimpleNamespace(canary="1", wave="50%", power="on-next-boot"),
)
SESSION = SimpleNamespace(host="vc.example.net")


@dataclass
class Seam:
    """Which functions of :mod:`vmboot.api` were called, with what."""

    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)

    def called(self, name: str) -> dict[str, Any]:
        """The keywords of the only call of ``name``."""
        (keywords,) = (keywords for called, _, keywords in self.calls if called == name)
        return keywords

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.calls]


def record(monkeypatch, **answers: Any) -> Seam:
    """Replace functions of the API: each answers with the value given, or raises it."""
    seam = Seam()

    def stand_in(name: str, answer: Any):
        def call(*arguments: Any, **keywords: Any) -> Any:
            seam.calls.append((name, arguments, keywords))
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return call

    @contextmanager
    def connect(*arguments: Any, **keywords: Any):
        seam.calls.append(("connect", arguments, keywords))
        yield SESSION

    for name, answer in {"load_fleet": FLEET, **answers}.items():
        monkeypatch.setattr(f"vmboot.api.{name}", stand_in(name, answer))
    if "connect" not in answers:
        monkeypatch.setattr("vmboot.api.connect", connect)
    return seam
