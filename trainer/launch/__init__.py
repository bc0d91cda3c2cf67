"""WHERE a job runs: on this machine, or on a cluster. Never loads TensorFlow."""
