"""The gallery: a job's images and answers as a web page that needs no server and no network."""
