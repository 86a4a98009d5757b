"""A live database with every kind of index, and statements that meet them, for the twin's fidelity tests."""

EXTENSIONS = ("vector", "pg_trgm", "btree_gin")

TABLES = (
    "CREATE SCHEMA shop",
    "CREATE TABLE shop.vendor (id int PRIMARY KEY, name text NOT NULL, region text, certified boolean)",
    """CREATE TABLE shop.product (
           id bigint PRIMARY KEY, vendor_id int NOT NULL REFERENCES shop.vendor, name text NOT NULL,
           status text NOT NULL, price numeric(10, 2), created_at timestamptz NOT NULL, active boolean NOT NULL,
           attributes jsonb, notes jsonb, tags text[], colours text[], body tsvector, period int4range, sku uuid
       )""",
    "CREATE TABLE shop.embedding (id int PRIMARY KEY, v vector(8), w vector(8))",
    "CREATE TABLE shop.sale (at date NOT NULL, product_id bigint, amount int) PARTITION BY RANGE (at)",
    "CREATE TABLE shop.sale_2024 PARTITION OF shop.sale FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
    "CREATE TABLE shop.sale_2025 PARTITION OF shop.sale FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
    "CREATE TABLE shop.sale_rest PARTITION OF shop.sale DEFAULT",
    "CREATE TABLE shop.empty (id int PRIMARY KEY, what text)",
    "CREATE TABLE shop.unknown (id int PRIMARY KEY, what text, tags text[]) WITH (autovacuum_enabled = off)",
)

INDEXES = (
    "CREATE INDEX product_list ON shop.product (status, created_at DESC, price)",
    "CREATE INDEX product_active ON shop.product (vendor_id) WHERE active",
    "CREATE INDEX product_cover ON shop.product (vendor_id, status) INCLUDE (price, created_at)",
    "CREATE INDEX product_brand ON shop.product ((attributes ->> 'brand'), lower(name))",
    "CREATE INDEX product_created ON shop.product (created_at)",
    "CREATE INDEX product_price ON shop.product (price DESC NULLS LAST)",
    "CREATE INDEX product_sku ON shop.product USING hash (sku)",
    "CREATE INDEX vendor_when ON shop.sale_2024 USING brin (product_id) WITH (pages_per_range = 4)",
    "CREATE INDEX product_name_trgm ON shop.product USING gin (name gin_trgm_ops)",
    "CREATE INDEX product_attributes ON shop.product USING gin (attributes jsonb_path_ops)",
    "CREATE INDEX product_notes ON shop.product USING gin (notes)",
    "CREATE INDEX product_tags ON shop.product USING gin (tags)",
    "CREATE INDEX product_colours ON shop.product USING gin (colours, status) WHERE active",
    "CREATE INDEX product_body ON shop.product USING gin (body)",
    "CREATE INDEX product_words ON shop.product USING gin (to_tsvector('simple', name))",
    "CREATE INDEX vendor_both ON shop.vendor USING gin (name gin_trgm_ops, certified)",
    "CREATE INDEX vendor_region ON shop.vendor USING gin (region)",
    "CREATE INDEX product_period ON shop.product USING gist (period)",
    "CREATE INDEX embedding_v ON shop.embedding USING hnsw (v vector_cosine_ops)",
    "CREATE INDEX embedding_w ON shop.embedding USING ivfflat (w vector_l2_ops) WITH (lists = 20)",
    "CREATE INDEX sale_product ON shop.sale (product_id)",
    "CREATE INDEX unknown_tags ON shop.unknown USING gin (tags)",
)

_PRODUCTS = """
    INSERT INTO shop.product
    SELECT i, 1 + (i * 7919) % 3000, md5(i::text) || ' ' || md5((i % 977)::text), 'status ' || least(i % 11, 5),
           (i * 31) % 10000 / 7.0, timestamptz '2024-01-01 00:00+00' + i * interval '17 minutes', i % 13 > 0,
           jsonb_build_object('brand', 'b' || i % 120, 'size', i % 40, 'serial', i),
           jsonb_build_object('k' || i % 90, i % 500), ARRAY['t' || i % 300, 'u' || i % 7],
           ARRAY['c' || i % 5, 'd' || i % 3],
           to_tsvector('simple', 'word' || i % 5000 || ' thing' || i % 37 || ' item' || i),
           int4range(i % 1000, i % 1000 + 1 + i % 50), md5(i::text)::uuid
    FROM generate_series({first}, {last}) AS i
"""
ROWS = (
    """INSERT INTO shop.vendor
       SELECT i, 'vendor ' || i, 'region ' || i % 9, i % 4 = 0 FROM generate_series(1, 3000) AS i""",
    _PRODUCTS.format(first=1, last=40_000),
    """INSERT INTO shop.embedding
       SELECT i, ARRAY(SELECT sin(i * j) FROM generate_series(1, 8) AS j)::vector,
              ARRAY(SELECT cos(i * j) FROM generate_series(1, 8) AS j)::vector
       FROM generate_series(1, 2000) AS i""",
    "INSERT INTO shop.sale SELECT date '2024-01-01' + i % 900, i, i % 100 FROM generate_series(1, 30000) AS i",
)
#: Rows that no ANALYZE has seen, and that stay in GIN's pending lists.
LATER_ROWS = (
    _PRODUCTS.format(first=40_001, last=41_500),
    "INSERT INTO shop.unknown SELECT i, 'what ' || i, ARRAY['t' || i % 50] FROM generate_series(1, 4000) AS i",
)

_ONE = "SELECT id FROM shop.product WHERE "
STATEMENTS = {
    "primary key": "SELECT name FROM shop.product WHERE id = $1",
    "in list": "SELECT name FROM shop.product WHERE id IN (1, 5, 700, 40000)",
    "multi-column, sorted": _ONE + "status = 'status 3' ORDER BY created_at DESC LIMIT 20",
    "partial": _ONE + "vendor_id = $1 AND active",
    "covering": "SELECT price, created_at FROM shop.product WHERE vendor_id = $1 AND status = $2",
    "expression": _ONE + "attributes ->> 'brand' = 'b7' AND lower(name) > 'm'",
    "descending": "SELECT id, price FROM shop.product ORDER BY price DESC NULLS LAST LIMIT 10",
    "hash": _ONE + "sku = $1",
    "brin": "SELECT sum(amount) FROM shop.sale_2024 WHERE product_id BETWEEN 100 AND 300",
    "gist": _ONE + "period && int4range(10, 20)",
    "hnsw": "SELECT id FROM shop.embedding ORDER BY v <=> '[1,0,0,0,0,0,0,1]' LIMIT 5",
    "ivfflat": "SELECT id FROM shop.embedding ORDER BY w <-> $1 LIMIT 5",
    "trigram constant": _ONE + "name ILIKE '%abcde%'",
    "trigram parameter": _ONE + "name LIKE $1",
    "path_ops": _ONE + """attributes @> '{"brand": "b7", "size": 7}'""",
    "jsonb_ops": _ONE + "notes ? 'k5'",
    "jsonb_ops, any of": _ONE + "notes ?| ARRAY['k5', 'k6', 'k7']",
    "array": _ONE + "tags && ARRAY['t17', 't18']",
    "array, everything": "SELECT count(*) FROM shop.product WHERE tags @> '{}' AND tags @> ARRAY['t17']",
    "array, frequent": "SELECT count(*) FROM shop.product WHERE colours @> ARRAY['c1'] AND active",
    "two keys of one GIN": _ONE + "colours @> ARRAY['c1', 'd2'] AND status = 'status 1' AND active",
    "text search": _ONE + "body @@ to_tsquery('simple', 'word17 & thing3')",
    "text search, prefix": _ONE + "body @@ to_tsquery('simple', 'word17:*')",
    "text search, negated": "SELECT count(*) FROM shop.product WHERE body @@ to_tsquery('simple', '!thing3')",
    "text search by expression": _ONE + "to_tsvector('simple', name) @@ plainto_tsquery('simple', $1)",
    "scalar in GIN": "SELECT id FROM shop.vendor WHERE region = 'region 3' AND certified",
    "nested loop into GIN": """SELECT count(*) FROM shop.vendor AS v JOIN shop.product AS p ON p.tags @> ARRAY[v.region]
                               WHERE v.id < 20""",
    "join": """SELECT v.name, p.name FROM shop.vendor AS v JOIN shop.product AS p ON p.vendor_id = v.id
               WHERE v.region = $1 AND p.active AND p.price > 1000""",
    "left join, sort": """SELECT v.id, p.created_at
                          FROM shop.vendor AS v LEFT JOIN shop.product AS p ON p.vendor_id = v.id
                          WHERE v.id BETWEEN 10 AND 20 ORDER BY p.created_at""",
    "semi-join": """SELECT name FROM shop.vendor AS v
                    WHERE EXISTS (SELECT FROM shop.product AS p WHERE p.vendor_id = v.id AND p.status = 'status 4')""",
    "aggregate": "SELECT status, count(*), avg(price) FROM shop.product GROUP BY status",
    "grouped join": """SELECT v.region, max(p.price) FROM shop.product AS p JOIN shop.vendor AS v ON v.id = p.vendor_id
                       GROUP BY v.region""",
    "min and max": "SELECT min(created_at), max(price) FROM shop.product",
    "below every value": _ONE + "created_at < '2000-01-01'",
    "beyond the histogram": _ONE + "created_at > timestamptz '2024-01-01 00:00+00' + interval '1 year 100 days'",
    "beyond every value": "SELECT count(*) FROM shop.product WHERE id > 10000000",
    "merge join by extremes": "SELECT count(*) FROM shop.product AS p JOIN shop.sale_2024 AS s ON s.product_id = p.id",
    "partitions, pruned": "SELECT sum(amount) FROM shop.sale WHERE at >= '2025-03-01' AND at < '2025-04-01'",
    "partitions, pruned later": "SELECT sum(amount) FROM shop.sale WHERE at = $1",
    "partitions, by index": "SELECT at FROM shop.sale WHERE product_id = $1",
    "partitions, default": "SELECT count(*) FROM shop.sale WHERE at > '2026-02-01'",
    "empty table": "SELECT what FROM shop.empty WHERE id > $1 ORDER BY id",
    "never analysed": "SELECT what FROM shop.unknown WHERE id < 100",
    "never analysed, GIN": "SELECT id FROM shop.unknown WHERE tags @> ARRAY['t7']",
    "semicolon inside": _ONE + "name = 'a;b' AND status = 'status 1'",
}
CHANGES = {
    "insert": "INSERT INTO shop.vendor (id, name) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
    "update": "UPDATE shop.product SET price = price + 1 WHERE vendor_id = $1 AND active",
    "delete": "DELETE FROM shop.product AS p USING shop.vendor AS v WHERE v.id = p.vendor_id AND v.region = 'region 1'",
    "delete a referenced row": "DELETE FROM shop.vendor WHERE id = $1",
    "partitioned update": "UPDATE shop.sale SET amount = 0 WHERE product_id = $1",
}
