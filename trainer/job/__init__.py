"""WHAT the job is: settings, errors, paths and the cluster, without TensorFlow."""
