"""One command per claim about speed and size, each beside a peer in the same run.

``python -m benchmarks`` runs all of them and rewrites the tables in docs/benchmarks.md;
``python -m benchmarks fleet upload`` only those.
"""
