"""What the services of the `catalog` system send."""

from datetime import timedelta
from decimal import Decimal

from psycopg.types.json import Jsonb
from sqlalchemy import Integer, Text, bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import joinedload

from analyzer.demo import words
from analyzer.demo.client import Asker
from analyzer.demo.models.catalog import (
    SEGMENTS,
    ClassificationCache,
    Company,
    Customer,
    Document,
    Product,
    ProductClassification,
    Quote,
    Vendor,
)
from analyzer.demo.random_data import CLOCK, created_at, key, rank
from analyzer.demo.rows import LABELS, SALES_REPS, company_of, content_hash, email, product_name
from analyzer.demo.statement import Parameters, StatementSpec


def _product_page(ask: Asker) -> Parameters:
    return {"category": ask.category()}


def _product_next_page(ask: Asker) -> Parameters:
    last = ask.scale.products - rank(ask.random, ask.scale.products // 2)
    return {"category": ask.category(), "id": last, "created_at": created_at(last, ask.scale.products, days=1_800)}


def _attributes(ask: Asker) -> Parameters:
    return {
        "attributes": Jsonb(
            {
                "brand": words.BRANDS[rank(ask.random, len(words.BRANDS), shift=5)],
                "color": words.COLORS[rank(ask.random, len(words.COLORS), shift=4)],
                "material": ask.random.choice(words.MATERIALS),
            }
        )
    }


def _power(ask: Asker) -> Parameters:
    color = words.COLORS[rank(ask.random, len(words.COLORS), shift=4)]
    return {"filter": f'$.power.voltage == {ask.random.choice((12, 24, 110, 230))} && $.color == "{color}"'}


def _name_part(ask: Asker) -> Parameters:
    return {"pattern": f"%{ask.random.choice(words.MATERIALS)} {ask.noun()} {ask.random.choice('ABCDEFGH')}%"}


def _tags(ask: Asker) -> Parameters:
    category = ask.category()
    label = LABELS.index(f"{category}/{ask.random.choice(words.NOUNS[category])}")
    return {"tags": ask.random.sample(words.TAGS[10:], 2), "path": [100 + label]}


def _map(ask: Asker) -> Parameters:
    *_names, latitude, longitude = ask.random.choice(words.PLACES)
    return {"south": latitude - 0.3, "north": latitude + 0.3, "west": longitude - 0.5, "east": longitude + 0.5}


def _certified(ask: Asker) -> Parameters:
    return {"certifications": ask.random.sample(words.CERTIFICATIONS, 2), "profile": Jsonb({"tier": "A"})}


def _forecast(ask: Asker) -> Parameters:
    first = (CLOCK + timedelta(days=ask.random.randrange(0, 30))).date()
    return {"first": first, "last": first + timedelta(days=6)}


def _basket(ask: Asker) -> Parameters:
    return {f"id_{number}": key(ask.random, ask.scale.quotes) for number in range(1, 7)}


def _model(ask: Asker) -> Parameters:
    return {
        "model_name": ask.random.choice(words.MODELS),
        "model_version": f"{ask.random.randrange(1, 4)}.{ask.random.randrange(6)}",
        "confidence": Decimal("0.98"),
    }


def _company_search(ask: Asker) -> Parameters:
    return {"pattern": f"%{ask.random.choice(words.COMPANY_STEMS)} {ask.random.choice(words.LAST_NAMES)}%"}


def _import_product(ask: Asker) -> Parameters:
    noun = ask.noun()
    return {
        "sku": ask.remember("import_product", "IMPORT"),
        "vendor_id": key(ask.random, ask.scale.vendors),
        "name": product_name(ask.random, noun),
        "category": next(category for category, nouns in words.NOUNS.items() if noun in nouns),
        "subcategory": noun,
        "price": ask.random.randrange(5, 500),
        "created_at": ask.tick(),
    }


def _new_quote(ask: Asker) -> Parameters:
    customer, quantity, price = key(ask.random, ask.scale.customers), ask.random.randrange(1, 50), 25
    return {
        "customer_id": customer,
        "company_id": company_of(customer, ask.scale),
        "product_id": key(ask.random, ask.scale.products, shift=200),
        "sales_rep": SALES_REPS[rank(ask.random, len(SALES_REPS), shift=40)],
        "quantity": quantity,
        "unit_price": price,
        "total_amount": quantity * price,
        "probability": 0.1,
        "created_at": ask.tick(),
    }


def _prediction(ask: Asker) -> Parameters:
    return {
        **_model(ask),
        "product_id": key(ask.random, ask.scale.products, shift=200),
        "label": ask.random.choice(LABELS),
        "latency_ms": ask.random.randrange(5, 90),
        "at": ask.tick(),
    }


def _advance(ask: Asker) -> Parameters:
    # The newest are the ones people work on; about as many are closed as are opened again.
    won = ask.random.random() < 0.5
    return {
        "quote_id": ask.scale.quotes - rank(ask.random, ask.scale.quotes // 30),
        "new_status": "won" if won else "negotiation",
        "new_closed_at": ask.tick() if won else None,
    }


_IMPORT = upsert(Product).values(
    {name: bindparam(name) for name in ("sku", "vendor_id", "name", "category", "subcategory", "price", "created_at")}
)
_LATEST_PREDICTION = (
    select(ProductClassification)
    .where(ProductClassification.product_id == bindparam("product_id"))
    .order_by(ProductClassification.created_at.desc())
    .limit(1)
)

#: Reads first, then writes.
STATEMENTS = (
    StatementSpec(name="product_page", weight=80, parameters=_product_page),
    StatementSpec(name="product_next_page", weight=40, parameters=_product_next_page),
    StatementSpec(name="product_by_attributes", weight=55, parameters=_attributes),
    StatementSpec(
        name="product_search",
        weight=45,
        built=select(Product.id, Product.sku, Product.name, Product.price)
        .where(Product.name.ilike(bindparam("pattern", type_=Text)))
        .order_by(Product.review_count.desc(), Product.id)
        .limit(20),
        parameters=_name_part,
    ),
    StatementSpec(
        name="product_by_brand",
        weight=8,
        parameters=lambda ask: {"brand": ask.random.choice(words.BRANDS), "price": ask.random.randrange(20, 90)},
    ),
    StatementSpec(name="product_by_power", weight=10, parameters=_power),
    StatementSpec(name="product_by_tags", weight=20, parameters=_tags),
    StatementSpec(
        name="product_price_band",
        weight=60,
        built=select(
            func.count(),
            func.min(Product.price),
            func.max(Product.price),
            func.avg(Product.price),
            func.avg(Product.rating),
            func.sum(Product.stock_quantity),
        ).where(Product.subcategory == bindparam("subcategory", type_=Text)),
        parameters=lambda ask: {"subcategory": ask.noun()},
    ),
    StatementSpec(
        name="product_detail",
        weight=90,
        built=select(Product).options(joinedload(Product.vendor)).where(Product.id == bindparam("id")),
        parameters=lambda ask: {"id": key(ask.random, ask.scale.products)},
    ),
    StatementSpec(
        name="product_changes",
        weight=10,
        built=select(Product.id, Product.sku, Product.price, Product.stock_quantity, Product.updated_at)
        .where(Product.updated_at > bindparam("since"))
        .order_by(Product.updated_at, Product.id)
        .limit(100),
        parameters=lambda ask: {"since": CLOCK - timedelta(minutes=ask.random.randrange(5, 5_000))},
    ),
    StatementSpec(
        name="product_low_stock", weight=10, parameters=lambda ask: {"quantity": ask.random.randrange(1, 10)}
    ),
    StatementSpec(
        name="product_like_this",
        weight=10,
        built=select(Product.id, Product.name)
        .order_by(Product.embedding.cosine_distance(bindparam("embedding")))
        .limit(8),
        parameters=lambda ask: {"embedding": ask.near()},
    ),
    StatementSpec(name="vendors_on_map", weight=20, parameters=_map),
    StatementSpec(
        name="vendor_leaderboard",
        weight=30,
        built=select(Vendor)
        .where(Vendor.is_active, Vendor.region == bindparam("region"))
        .order_by(Vendor.rating.desc().nulls_last())
        .limit(20),
        parameters=lambda ask: {"region": ask.random.choice(words.REGIONS)},
    ),
    StatementSpec(
        name="vendor_portfolio",
        weight=15,
        parameters=lambda ask: {"vendor_id": ask.random.randrange(1, ask.scale.vendors + 1)},
    ),
    StatementSpec(name="vendors_certified", weight=8, parameters=_certified),
    StatementSpec(
        name="company_search",
        weight=15,
        built=select(Company.id, Company.name, Company.domain)
        .where(Company.name.ilike(bindparam("pattern", type_=Text)))
        .order_by(Company.name)
        .limit(20),
        parameters=_company_search,
    ),
    StatementSpec(
        name="companies_of_industry",
        weight=12,
        built=select(Company.name, Company.employee_count, Company.annual_revenue)
        .where(Company.industry == bindparam("industry"))
        .order_by(Company.annual_revenue.desc().nulls_last())
        .limit(25),
        parameters=lambda ask: {"industry": ask.random.choice(words.INDUSTRIES)},
    ),
    StatementSpec(
        name="customer_by_email",
        weight=60,
        built=select(Customer).where(func.lower(Customer.email) == bindparam("email", type_=Text)),
        parameters=lambda ask: {"email": email(key(ask.random, ask.scale.customers)).lower()},
    ),
    StatementSpec(
        name="customer_overview",
        weight=40,
        parameters=lambda ask: {"customer_id": key(ask.random, ask.scale.customers)},
    ),
    StatementSpec(
        name="customers_of_value",
        weight=20,
        built=select(Customer.first_name, Customer.last_name, Customer.lifetime_value, Customer.engagement_score)
        .where(Customer.is_active, Customer.segment == bindparam("segment"))
        .order_by(Customer.lifetime_value.desc())
        .limit(50),
        parameters=lambda ask: {"segment": ask.random.choice(SEGMENTS)},
    ),
    StatementSpec(
        name="customers_with_open_quotes",
        weight=20,
        parameters=lambda ask: {"company_id": ask.random.randrange(1, ask.scale.companies + 1)},
    ),
    StatementSpec(
        name="pipeline_of_rep",
        weight=60,
        parameters=lambda ask: {
            "sales_rep": SALES_REPS[rank(ask.random, len(SALES_REPS), shift=40)],
            "status": ask.random.choice(("sent", "negotiation", "won")),
        },
    ),
    StatementSpec(name="forecast", weight=10, parameters=_forecast),
    StatementSpec(
        name="quotes_of_product",
        weight=45,
        built=select(Quote).where(Quote.product_id == bindparam("product_id")),
        parameters=lambda ask: {"product_id": ask.random.randrange(1, ask.scale.products + 1)},
    ),
    StatementSpec(name="quotes_by_id", weight=25, parameters=_basket),
    StatementSpec(
        name="documents_of_product",
        weight=25,
        built=select(Document.id, Document.kind, Document.title)
        .where(Document.product_id == bindparam("product_id"), Document.kind.in_(("datasheet", "manual")))
        .order_by(Document.title),
        parameters=lambda ask: {"product_id": key(ask.random, ask.scale.products)},
    ),
    StatementSpec(
        name="document_search",
        weight=20,
        parameters=lambda ask: {"words": f"{ask.random.choice(words.MATERIALS)} {ask.noun()}"},
    ),
    StatementSpec(name="document_similar", weight=12, parameters=lambda ask: {"embedding": ask.near()}),
    StatementSpec(
        name="cache_lookup",
        weight=60,
        built=select(ClassificationCache.label, ClassificationCache.confidence).where(
            ClassificationCache.content_hash == bindparam("content_hash")
        ),
        parameters=lambda ask: {"content_hash": content_hash(key(ask.random, ask.scale.cached))},
    ),
    StatementSpec(name="cache_similar", weight=45, parameters=lambda ask: {"embedding": ask.near()}),
    StatementSpec(
        name="cache_similar_of_model",
        weight=10,
        parameters=lambda ask: {"embedding": ask.near(), "model_name": ask.random.choice(words.MODELS)},
        prepare=False,
    ),
    StatementSpec(name="cache_popular", weight=5, parameters=lambda _ask: {}),
    StatementSpec(name="review_queue", weight=50, parameters=lambda _ask: {}),
    StatementSpec(
        name="latest_prediction",
        weight=35,
        built=_LATEST_PREDICTION,
        parameters=lambda ask: {"product_id": key(ask.random, ask.scale.products, shift=200)},
    ),
    StatementSpec(name="training_set", weight=10, parameters=_model),
    StatementSpec(
        name="import_product",
        weight=14,
        kind="write",
        built=_IMPORT.on_conflict_do_update(
            index_elements=[Product.sku],
            set_={"price": _IMPORT.excluded.price, "updated_at": _IMPORT.excluded.created_at},
        ),
        parameters=_import_product,
    ),
    StatementSpec(
        name="purge_product",
        weight=12,
        kind="write",
        parameters=lambda ask: {"sku": ask.recall("import_product")},
        undoes="import_product",
    ),
    StatementSpec(name="new_quote", weight=20, kind="write", built=insert(Quote), parameters=_new_quote),
    StatementSpec(
        name="advance_quote",
        weight=20,
        kind="write",
        built=update(Quote)
        .where(Quote.id == bindparam("quote_id"))
        .values(status=bindparam("new_status"), closed_at=bindparam("new_closed_at")),
        parameters=_advance,
    ),
    StatementSpec(
        name="change_price",
        weight=15,
        kind="write",
        built=update(Product)
        .where(Product.id == bindparam("product_id"))
        .values(price=Product.price + bindparam("more", type_=Integer), updated_at=bindparam("at")),
        parameters=lambda ask: {
            "product_id": key(ask.random, ask.scale.products),
            "more": ask.random.randrange(1, 3),
            "at": ask.tick(),
        },
    ),
    StatementSpec(
        name="cache_hit",
        weight=30,
        kind="write",
        parameters=lambda ask: {"content_hash": content_hash(key(ask.random, ask.scale.cached)), "at": ask.tick()},
    ),
    StatementSpec(name="record_prediction", weight=15, kind="write", parameters=_prediction),
    StatementSpec(
        name="flag_prediction",
        weight=10,
        kind="write",
        parameters=lambda ask: {
            "id": key(ask.random, ask.scale.classifications),
            "needs_review": ask.random.random() < 0.1,
        },
    ),
    StatementSpec(
        name="touch_customer",
        weight=25,
        kind="write",
        parameters=lambda ask: {"id": key(ask.random, ask.scale.customers), "points": 1, "at": ask.tick()},
    ),
)
