"""What a runner installs: the source distribution, and a Dockerfile."""
