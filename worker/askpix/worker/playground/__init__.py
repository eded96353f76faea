"""A web page to try models by hand. All but `page` and `serving` does without Gradio."""
