"""Races: the same work in this package and in its peers, and one table of ratios."""
