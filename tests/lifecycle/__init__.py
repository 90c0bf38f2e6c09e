"""Exit, fork, servers, and interpreters."""
