"""What `askpix config check` tries: each thing that producers and workers need, one after the other."""
