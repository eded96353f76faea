"""A broker, workers and a web server for the tests of one file."""

from helpers.system_fixtures import broker, client, folder, pages, root, start_worker

__all__ = ["broker", "client", "folder", "pages", "root", "start_worker"]
