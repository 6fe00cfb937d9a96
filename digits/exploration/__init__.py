"""What the notebook and the search for a network need. Nothing but the notebook and benchmarks imports it."""
