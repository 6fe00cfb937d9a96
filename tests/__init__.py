"""What `make test` runs; the folders mirror the rooms of what they test."""
