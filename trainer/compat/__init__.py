"""The names that TensorFlow lost, for programs of TensorFlow 1: `import trainer.compat.v1 as tf`."""
