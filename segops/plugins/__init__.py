"""Built-in plugins, which use the same hooks as third-party ones."""
