"""Handwritten digits, trained and served.

errors <- data <- preprocessing <- { inference, networks, synthesis } <- training <- exploration
                                     inference <- scoring

A room imports only rooms to its left. docs/architecture.md tells what each room holds.
"""
