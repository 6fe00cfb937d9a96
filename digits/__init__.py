"""Handwritten digits: what training, serving and the notebook share."""
