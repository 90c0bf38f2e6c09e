"""Compile segment definitions to SQL, and run it to find the members."""
