"""What is used of the insides of TensorFlow and Keras, and nowhere else.

Every private name that the package depends on is in this room, with a sentence that says why there is no public one.
`tests/estimator/graph/inside/test_insides.py` has a test for each: it is the first to run against a new release, and
the versions in setup.py are bounded above by those that it has passed with.
"""
