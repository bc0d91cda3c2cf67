"""Files that a setting names, here or in buckets: found, fetched, opened."""
