"""``python -m benchmarks [NAME...]``: measure, print, and put the tables into the documentation."""

from __future__ import annotations

import argparse
import importlib
import sys

from benchmarks.machine import describe
from benchmarks.measure import BenchmarkError
from benchmarks.report import Report, write_section

NAMES = ("startup", "upload", "fleet", "disks", "scale")


def main() -> int:
    """0 if every claim holds, 1 if one does not or could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--no-write", action="store_true", help="leave docs/benchmarks.md alone")
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))} (choose from {NAMES})")
    results = [_run(name, write=not options.no_write) for name in options.names or NAMES]
    if not options.no_write:
        write_section("machine", describe())
    return 0 if all(results) else 1


def _run(name: str, *, write: bool) -> bool:
    try:
        report: Report = importlib.import_module(f"benchmarks.{name}").measure()
    except BenchmarkError as error:
        print(f"{name}: could not be measured: {error}", file=sys.stderr)
        return False
    print(f"{report.markdown()}\n", flush=True)
    if write:
        write_section(name, report.markdown())
    return all(claim.holds for claim in report.claims)


if __name__ == "__main__":
    sys.exit(main())
