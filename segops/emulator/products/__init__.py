"""Read product files and rate products, independently of the API."""
