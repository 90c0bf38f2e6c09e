"""Compare this SDK with others, with the same events and sink: `python -m bench.peers` writes bench/RESULTS.md."""
