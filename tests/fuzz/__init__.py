"""Damaged files of every format that vmboot reads end in a value or a VmbootError, soon and small.

``python -m tests.fuzz [FORMAT ...] [--count N] [--seed S]``; see docs/fuzzing.md.
"""
