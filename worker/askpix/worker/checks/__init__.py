"""What `askpix config check` tries on the worker's side."""
