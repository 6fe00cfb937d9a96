"""What the OpenAPI document says of requests, answers and errors. Imports `errors`, `requests` and `settings`."""
