"""From a body's bytes to pixels or a picture. Imports `errors` and `prediction`."""
