"""Jobs and studies on Vertex AI."""
