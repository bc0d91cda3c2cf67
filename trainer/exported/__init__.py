"""What an export is to those who ask it: found, described and called."""
