"""When something is due between device calls, and when a training ends."""
