"""A traced step as a program: a loop over a stack of batches, as a graph, and by XLA from its step on."""
