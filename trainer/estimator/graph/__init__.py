"""A model function as a graph: traced, its variables found by name, its parts copied and sharded."""
