"""The sandbox in containers of a Docker engine."""
