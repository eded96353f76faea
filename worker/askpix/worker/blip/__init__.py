"""BLIP on OpenVINO: the graphs of a model folder, and the engine that schedules them."""
