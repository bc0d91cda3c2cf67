"""What this machine and this environment would do with a job."""
