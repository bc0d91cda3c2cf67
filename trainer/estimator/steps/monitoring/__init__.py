"""What a training shows of its way, and what its time went into."""
