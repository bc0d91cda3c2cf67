"""Numbers that are not finite, and values that are refused: noticed, explained, put in words."""
