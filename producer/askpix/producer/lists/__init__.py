"""Lists of images that users have, a module for each form of them: their table is `forms.py`.

Schemes of references stand in `askpix.worker.images.schemes`, and files of images in `askpix.worker.images.decode`.
"""
