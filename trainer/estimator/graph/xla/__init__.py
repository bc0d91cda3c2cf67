"""Rewrites of a graph that XLA will compile: what it lacks, lets pass or does badly is put otherwise."""
