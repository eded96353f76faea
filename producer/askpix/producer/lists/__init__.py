"""Lists of images that users have, a module for each form of them."""
