"""Training material that is made up: strokes, glyphs, lines on paper, images that are no digits."""
