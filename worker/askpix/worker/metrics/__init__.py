"""What a worker tells Prometheus, read from the counts that its parts keep of themselves."""
