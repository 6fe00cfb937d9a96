"""From the bytes of a body to pixels or a picture. Imports `errors` and `prediction`."""
