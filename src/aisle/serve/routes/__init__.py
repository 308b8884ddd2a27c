"""The calls of the API, one module per noun."""

from aisle.serve.routes import catalogue, events, models, operations, page, recommendations, users

ROUTERS = (
    events.router,
    recommendations.router,
    catalogue.router,
    users.router,
    models.router,
    operations.router,
    page.router,
)

__all__ = ["ROUTERS"]
