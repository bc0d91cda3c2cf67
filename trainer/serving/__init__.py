"""A model behind HTTP, in the shape of TensorFlow Serving's REST interface."""
