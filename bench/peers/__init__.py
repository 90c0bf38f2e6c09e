"""Other SDKs beside ours, on the same events and the same sink: `python -m bench.peers` writes bench/RESULTS.md."""
