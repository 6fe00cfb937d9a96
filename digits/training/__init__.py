"""Fitting the networks, measuring them, and writing their artifacts. Everything below may be imported here."""
