"""Images: fetched from where a row names them, decoded into the form that an engine takes."""
