"""Minutes of random faults."""
