"""The HTTP server: events and catalogue in, recommendations out."""

from aisle.serve.access import Keys, check_binding
from aisle.serve.app import create_app

__all__ = ["Keys", "check_binding", "create_app"]
