"""The `askpix` command. A command of the worker's side is imported when it is called."""
