"""The pipeline of an input function: traced, read from what TensorFlow 1 had for it, and put in another order."""
