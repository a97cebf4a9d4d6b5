"""``python -m tests.fuzz``: damage files of every format, many times, and print a table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import gettempdir

from tests.fuzz.corpus import collect
from tests.fuzz.formats import FORMATS
from tests.fuzz.run import CASE_SECONDS, MEMORY, Report, case, run

_HEAD = "| format | cases | CPU s | refused | accepted | slowest case | peak RSS |"


def main(arguments: list[str]) -> int:
    """Exit code 0 when every case kept the rules, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument("--count", type=int, default=100_000, help="cases of each format")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same cases")
    parser.add_argument("--collect", action="store_true", help="add new outcomes to the corpus")
    options = parser.parse_args(arguments)
    unknown = set(options.formats) - FORMATS.keys()
    if unknown:
        parser.error(f"unknown format {', '.join(sorted(unknown))}; known: {', '.join(FORMATS)}")
    rows = [FORMATS[name] for name in options.formats or FORMATS]
    if options.collect:
        for row in rows:
            added = collect(row, count=options.count, seed=options.seed)
            print(f"{row.name}: {added} added", flush=True)
        return 0
    print(f"{CASE_SECONDS:g} s of CPU for a case, {MEMORY >> 20} MiB of memory\n")
    print(_HEAD, "|---|---:|---:|---:|---:|---:|---:|", sep="\n", flush=True)
    failed = 0
    for row in rows:
        report = run(row, count=options.count, seed=options.seed)
        if report.failed is None:
            print(_line(report), flush=True)
            continue
        failed += 1
        path = Path(gettempdir(), f"vmboot-fuzz-{row.name}-{options.seed}-{report.failed}.bin")
        path.write_bytes(case(row, report.failed, seed=options.seed))
        print(f"| {row.name} | **failed** at case {report.failed}, seed {options.seed}: {path} |")
    return 1 if failed else 0


def _line(report: Report) -> str:
    number, seconds = report.slowest
    cells = (
        report.format,
        f"{report.cases:,}",
        f"{report.seconds:.0f}",
        f"{report.refused:,}",
        f"{report.accepted:,}",
        f"{seconds * 1000:.0f} ms (no. {number})",
        f"{report.peak >> 20} MiB",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
