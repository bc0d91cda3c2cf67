"""What the submissions of all targets share: their options and their costs."""
