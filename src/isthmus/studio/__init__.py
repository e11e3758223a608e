"""The studio: a server on the local machine, a page in the browser to explore trained models, and an HTTP API."""
