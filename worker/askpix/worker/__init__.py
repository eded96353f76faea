"""The worker's side: engines, images, models and the Celery tasks. Imports neither torch nor transformers."""
