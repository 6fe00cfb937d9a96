"""Handwritten digits, trained and served.

errors <- data <- preprocessing <- { inference, networks, synthesis } <- training <- exploration
                                     inference <- scoring

An arrow points from what is imported to who imports it. docs/architecture.md tells what each room holds.
"""
