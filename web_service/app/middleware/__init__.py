"""What every request passes before it reaches its route. Imports `errors` and `prediction`."""
