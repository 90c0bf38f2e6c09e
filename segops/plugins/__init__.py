"""Built-in plugins; they come in by the same door as a stranger's."""
