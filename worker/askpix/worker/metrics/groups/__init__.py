"""What a worker tells Prometheus, a module for each group of metrics."""
