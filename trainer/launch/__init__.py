"""WHERE a job runs: on this machine, or on somebody's cluster. Never loads TensorFlow."""
