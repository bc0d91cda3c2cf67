"""What a run leaves on disk or in a bucket: checkpoints, exports, events, records."""
