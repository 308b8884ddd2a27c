"""The calls of the API, one module per noun."""

from aisle.serve.routes import catalogue, events, models, operations, recommendations, script, storefront, users

ROUTERS = (
    events.router,
    recommendations.router,
    catalogue.router,
    users.router,
    models.router,
    operations.router,
    script.router,
    storefront.router,
)

__all__ = ["ROUTERS"]
