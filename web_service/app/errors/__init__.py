"""What the service refuses, and the JSON in which it says so. Every room may import this one."""
