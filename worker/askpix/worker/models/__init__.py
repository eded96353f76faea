"""Model folders as a worker opens them: what their manifests say, and whether they are whole."""
