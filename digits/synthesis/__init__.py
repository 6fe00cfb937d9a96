"""Makes up training material: strokes, glyphs, lines on paper, and images that are no digits."""
