"""Send history: many events at once, from the partitions of Spark, Dask, or any other engine.

docs/history.md is the guide. Files are sent by the command `segops send`.
"""

from segops.bulk.sink import FailedRow, PartitionSink, Sent

__all__ = ["FailedRow", "PartitionSink", "Sent"]
