"""Boot media as ``doctor`` sees them: can they be built here, from what, and if not, the cure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vmboot.errors import MissingToolError, VmbootError
from vmboot.fleet.finding import Finding
from vmboot.fleet.media import TITLES, FleetMedia, Medium
from vmboot.fleet.serverwords import server_warnings
from vmboot.media.chain import Chain
from vmboot.media.iso import needs
from vmboot.media.loaders import find_loaders, select_loaders
from vmboot.media.secure import SecureOption, advice, secure_options
from vmboot.model import BootMethod

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.machine import Machine

_MIB = 1 << 20


class MediaCheck:
    """Builds the media of ``fleet``, each once, and knows which could not be built.

    :param loader_dirs: where to look for loaders before all other places
    """

    def __init__(self, fleet: Fleet, *, loader_dirs: Sequence[str | Path] = ()) -> None:
        self.fleet = fleet
        self.media = FleetMedia(fleet, loader_dirs=loader_dirs)
        self._loader_dirs = loader_dirs
        self._built: dict[tuple[BootMethod, bool], Medium] = {}

    def findings(self) -> Iterator[Finding]:
        """One for each that can be built, and for each reason why one cannot."""
        for method, title in TITLES.items():
            if self.fleet.uses(method):
                yield from self._plain(method, title)
                if self.media.has_secure(method):
                    yield from self._secure(method, f"{title} for Secure Boot")
        for problem in server_warnings(self.fleet, self._built.values()):
            yield Finding("boot servers", "warn", problem.message, problem.hint)

    def medium_for(self, method: BootMethod, machine: Machine) -> Medium | None:
        """What ``machine`` gets; ``None`` if that cannot be built, which is a finding already."""
        secure = machine.secure_boot and self.media.has_secure(method)
        return self._built.get((method, secure))

    def secure_hint(self, medium: Medium, machines: Iterable[Machine]) -> str | None:
        """What to do for ``machines`` with Secure Boot that ``medium`` does not start."""
        problem = self.media.insecure(medium, machines)
        if problem is None:
            return "name an image whose loader is signed, or turn Secure Boot off"
        return problem.hint

    @cached_property
    def _options(self) -> dict[BootMethod, tuple[SecureOption, ...]]:
        loaders = find_loaders(dirs=self._loader_dirs)
        configs = {method: self.fleet.boot_config(method) for method in self.fleet.builds}
        return {
            method: secure_options(
                loaders, config, needs=needs(config), site_certificate=self._trusted
            )
            for method, config in configs.items()
        }

    @property
    def _trusted(self) -> str:
        """The site's certificate; one that cannot be read is a finding of its own."""
        try:
            return self.media.fingerprint
        except VmbootError:
            return ""

    def _plain(self, method: BootMethod, title: str) -> Iterator[Finding]:
        try:
            medium = self._make(method)
        except MissingToolError as error:
            for each in self._lacking(method) or (error,):
                yield Finding(title, "fail", str(each), each.hint)
        except VmbootError as error:
            yield Finding(title, "fail", str(error), error.hint)
        else:
            yield Finding(title, "ok", _words(medium))

    def _lacking(self, method: BootMethod) -> tuple[MissingToolError, ...]:
        """What is missing for each firmware: building stops at the first."""
        config = self.fleet.boot_config(method)
        kind: Literal["iso", "bdm"] = "bdm" if method is BootMethod.BDM else "iso"
        found = []
        for firmware in config.firmwares:
            try:
                select_loaders([firmware], dirs=self._loader_dirs, needs=needs(config), medium=kind)
            except MissingToolError as error:
                found.append(error)
        return tuple(found)

    def _secure(self, method: BootMethod, title: str) -> Iterator[Finding]:
        """Media by the chain of ``media.secure_boot``, and what to know of that chain."""
        chain = Chain(self.fleet.media.secure_boot.chain)
        try:
            medium = self._make(method, secure=True)
        except VmbootError as error:
            yield Finding(title, "fail", str(error), self._other_ways(method, error))
            return
        yield Finding(title, "ok", f"{_words(medium)}, by {chain}")
        known = next(each.limits for each in self._options[method] if each.chain is chain)
        if known:
            hint = "docs/secure-boot.md tells of the three chains"
            yield Finding(title, "warn", f"{chain}: {'; '.join(known)}", hint)

    def _other_ways(self, method: BootMethod, error: VmbootError) -> str:
        options = self._options[method]
        if error.hint and any(each.ok for each in options):
            return f"{error.hint}; or {advice(options)}"
        return advice(options)

    def _make(self, method: BootMethod, *, secure: bool = False) -> Medium:
        made = self._built[method, secure] = self.media.medium(method, secure=secure)
        return made


def _words(medium: Medium) -> str:
    size = len(medium.data) / _MIB
    made = f"made of {medium.made_of}" if medium.chain is None else f"with {medium.made_of}"
    return f"{medium.file_name}, {size:.1f} MiB, {made}"
