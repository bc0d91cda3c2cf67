"""Examples on their way to training: in memory or in files, in which order, in batches."""
