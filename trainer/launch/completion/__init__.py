"""A script for bash or zsh that completes commands, flags and their values."""
