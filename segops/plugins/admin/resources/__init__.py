"""The namespaces of the admin SDK, one file each. Source: wire-protocol.md, section 6."""
