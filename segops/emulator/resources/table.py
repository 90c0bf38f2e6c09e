"""The endpoints of all resources, joined."""

from __future__ import annotations

from segops.emulator.resources import (
    activations,
    ai_metrics,
    ai_reach,
    analytics,
    catalogue,
    explorer,
    identity,
    imports,
    index,
    login,
    page_exports,
    pages,
    product_search,
    products,
    schemas,
    scoring,
    shopify,
    tenant,
    webhooks,
)
from segops.emulator.routing import ANYONE, PAGES, SECRET, USERS, Route

_ACCOUNT = (
    Route("GET", "/api/", ANYONE, index.list_endpoints),
    Route("POST", "/api/auth/token/", ANYONE, login.obtain),
    Route("POST", "/api/auth/token/refresh/", ANYONE, login.refresh),
    Route("POST", "/api/auth/api-keys/", USERS, login.create_key),
    Route("DELETE", "/api/auth/api-keys/<int:id>/", USERS, login.revoke_key),
    Route("GET", "/api/settings/", SECRET, tenant.get_settings),
    Route("PUT", "/api/settings/", SECRET, tenant.put_settings),
    Route("PATCH", "/api/settings/", SECRET, tenant.put_settings),
    Route("POST", "/api/ingestion/shopify/<tenant_slug>/", ANYONE, shopify.receive, None),
)

_CATALOGUE = (
    Route("GET", "/api/pim/products/", SECRET, products.list_products, None),
    Route("POST", "/api/pim/products/bulk/", SECRET, products.bulk_upsert),
    *products.products.routes("/api/pim/products/")[1:],
    Route("POST", "/api/pim/products/<int:id>/score/", SECRET, scoring.score_product),
    Route("GET", "/api/pim/products/<int:id>/score/", SECRET, scoring.get_score),
    Route("POST", "/api/pim/score-all/", SECRET, scoring.score_all),
    Route("GET", "/api/pim/facets/", SECRET, catalogue.facets),
    Route("GET", "/api/pim/schema/", SECRET, catalogue.get_schema),
    Route("PUT", "/api/pim/schema/", SECRET, catalogue.put_schema),
    Route("POST", "/api/pim/import/csv/", SECRET, imports.upload),
    Route("GET", "/api/pim/import/<int:id>/", SECRET, imports.status),
    Route("POST", "/api/pim/import/<int:id>/confirm/", SECRET, imports.confirm),
    *schemas.schemas.routes("/api/schemas/"),
    Route("POST", "/api/schemas/infer/", SECRET, schemas.infer),
    Route("POST", "/api/schemas/validate/", SECRET, schemas.validate),
)

_ACTIVATIONS = (
    *activations.activations.routes("/api/activations/"),
    Route("POST", "/api/activations/<int:id>/sync/", SECRET, activations.sync),
    Route("GET", "/api/activations/<int:id>/logs/", SECRET, activations.logs, PAGES),
    Route("GET", "/api/activations/<int:id>/outbox/", SECRET, activations.outbox, PAGES),
    *webhooks.webhooks.routes("/api/webhooks/"),
    Route("GET", "/api/webhooks/<int:id>/deliveries/", SECRET, webhooks.list_deliveries, PAGES),
)

_PEOPLE = (
    Route("GET", "/api/explorer/users/", SECRET, explorer.search, PAGES | {"q", "limit"}),
    Route("GET", "/api/explorer/users/<uid>/", SECRET, explorer.profile),
    Route(
        "GET", "/api/explorer/users/<uid>/events/", SECRET, explorer.events, PAGES | {"event_type", "limit", "since"}
    ),
    Route("GET", "/api/explorer/users/<uid>/segments/", SECRET, explorer.user_segments, PAGES),
    Route("GET", "/api/explorer/users/<uid>/segments/<int:id>/explain/", SECRET, explorer.explain, PAGES),
    Route("POST", "/api/explorer/sandbox/publish/", SECRET, explorer.publish_sandbox),
    Route("POST", "/api/identity/alias/", SECRET, identity.alias),
    Route("POST", "/api/identity/merge/", SECRET, identity.merge),
)

_AI_REACH = (
    *ai_reach.queries.routes("/api/ai-reach/queries/"),
    Route("POST", "/api/ai-reach/queries/<int:id>/run/", SECRET, ai_reach.run),
    Route("GET", "/api/ai-reach/queries/<int:id>/results/", SECRET, ai_reach.results, PAGES),
    Route("POST", "/api/ai-reach/simulate/", SECRET, ai_reach.simulate_query),
    Route("GET", "/api/ai-reach/dashboard/", SECRET, ai_metrics.dashboard),
    Route("GET", "/api/ai-reach/win-rate/", SECRET, ai_metrics.win_rate, PAGES | {"provider"}),
    *ai_reach.competitors.routes("/api/ai-reach/competitors/"),
)

_PAGES = (
    Route("GET", "/api/ai-pages/pages/", SECRET, pages.page_list.index, PAGES),
    *pages.pages.routes("/api/ai-pages/pages/")[1:],
    Route("POST", "/api/ai-pages/pages/bulk-generate/", SECRET, pages.bulk_generate),
    Route("POST", "/api/ai-pages/pages/<int:id>/regenerate/", SECRET, pages.regenerate),
    Route("POST", "/api/ai-pages/pages/<int:id>/build/", SECRET, pages.build),
    Route("POST", "/api/ai-pages/pages/<int:id>/publish/", SECRET, pages.publish),
    Route("POST", "/api/ai-pages/pages/<int:id>/export/", SECRET, page_exports.export),
    Route("GET", "/api/ai-pages/pages/<int:id>/export/", SECRET, page_exports.poll_export, frozenset({"export_id"})),
    Route("GET", "/api/ai-pages/exports/<int:id>/download/", SECRET, page_exports.download),
    Route("GET", "/api/ai-pages/public/pages/<tenant_slug>/<page_slug>/", ANYONE, page_exports.public_page, None),
    Route("GET", "/api/ai-pages/query", SECRET, product_search.search, frozenset({"q", "limit", "segment_id"})),
)

_ANALYTICS = (
    Route("GET", "/api/analytics/overview/", SECRET, analytics.overview),
    Route("GET", "/api/analytics/segments/", SECRET, analytics.segments, PAGES),
    Route("GET", "/api/analytics/overlap/", SECRET, analytics.overlap, PAGES),
    Route("GET", "/api/analytics/activations/", SECRET, analytics.activations, PAGES),
    Route("GET", "/api/analytics/usage/", SECRET, analytics.usage),
)

RESOURCE_ROUTES: tuple[Route, ...] = (
    *_ACCOUNT,
    *_CATALOGUE,
    *_ACTIVATIONS,
    *_PEOPLE,
    *_AI_REACH,
    *_PAGES,
    *_ANALYTICS,
)
