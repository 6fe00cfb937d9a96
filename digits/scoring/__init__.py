"""Reading many digits at once, from files to files."""
