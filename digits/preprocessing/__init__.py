"""From a picture to what a network sees: ink told from paper, digits and lines brought to size. Imports `data`."""
