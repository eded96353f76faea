"""Vision-language models of the LLaVA kind, on OpenVINO GenAI."""
