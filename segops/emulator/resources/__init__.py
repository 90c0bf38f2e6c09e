"""The endpoints of the local SegOps besides ingestion, sessions and segments; one module or two for each resource."""
