"""Jobs and studies on Kubernetes."""
