"""Explores the digits and searches for a network. No other room imports this one; the notebook does."""
