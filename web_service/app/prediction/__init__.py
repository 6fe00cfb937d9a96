"""The loaded models, and what computes with them. Imports `errors` and `settings`."""
