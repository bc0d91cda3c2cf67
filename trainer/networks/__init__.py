"""Structures from courses and papers, a file each. A new one is a new file: `--model` and its flags follow from it.

A network is a function that turns standardised values, float32 [batch, steps, columns], into standardised forecasts,
float32 [batch, horizon, targets]. It makes its layers and variables in its own body and names each, because training,
evaluation, export and checkpoints find them by name. It runs under XLA: all sizes but that of the batch are static.
TensorFlow is imported inside the functions, because the flags of all networks are known before it is loaded.
"""
