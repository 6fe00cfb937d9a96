"""What every request passes before it reaches its route. Imports `errors`, `prediction` and `settings`."""
