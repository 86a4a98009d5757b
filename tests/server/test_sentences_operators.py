"""Sentences about operators: for each rule a statement that gets what serves it, and one that nearly does.

The tables are those of sentences_operators.sql, whose text sorts by a language where nothing else is said.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.advise.candidates import candidates
from analyzer.advise.price import shaped_and_priced
from analyzer.advise.proposal import propose
from analyzer.documents.server_log import LoggedBinding, LoggedStatement
from analyzer.documents.snapshot import NotExamined
from analyzer.workload.parse import parse_file
from tests.server.sentences import Sentences, open_sentences

SCHEMA = Path(__file__).with_name("sentences_operators.sql")
TIMES = {"items": 50, "places": 100, "vectors": 100, "pictures": 500, "log": 300, "forms": 200}

_FEW = "'[1,2,3,4,5,6,7,8]'"

PATTERNS = [
    ("SELECT id FROM items WHERE name LIKE 'name ab%'", "items (name text_pattern_ops)"),
    ("SELECT id FROM items WHERE code LIKE 'ab%'", "items (code text_pattern_ops)"),
    ("SELECT id FROM items WHERE fixed LIKE 'abc%'", "items (fixed bpchar_pattern_ops)"),
    ("SELECT id FROM items WHERE plain LIKE 'abc%'", "items (plain)"),
    ("SELECT id FROM items WHERE plain ~ '^abc'", "items (plain)"),
    ("SELECT id FROM items WHERE name ~ '^name ab'", "items (name text_pattern_ops)"),
    ("SELECT id FROM items WHERE starts_with(name, 'name ab')", "items (name text_pattern_ops)"),
    ("SELECT id FROM items WHERE name ^@ 'name ab'", "spgist items (name)"),
    ("SELECT id FROM items WHERE name OPERATOR(pg_catalog.^@) 'name ab'", "spgist items (name)"),
    ("SELECT id FROM items WHERE lower(name) LIKE 'name ab%'", "items (lower(name) text_pattern_ops)"),
    ("SELECT id FROM items WHERE shop = 7 AND name LIKE 'name ab%'", "items (shop, name text_pattern_ops)"),
    ("SELECT id FROM items WHERE name ~>=~ 'name ff' AND shop < 300", "items (name text_pattern_ops)"),
    ("SELECT id FROM items WHERE name LIKE '%abcd%'", "gin items (name gin_trgm_ops)"),
    ("SELECT id FROM items WHERE name ILIKE 'name ab%'", "gin items (name gin_trgm_ops)"),
    ("SELECT id FROM items WHERE code ~ 'ab+cde'", "gin items (code gin_trgm_ops)"),
    ("SELECT id FROM items WHERE lower(name) LIKE '%abcd%'", "gin items (lower(name) gin_trgm_ops)"),
    ("SELECT id FROM items WHERE name % 'name abc'", "gin items (name gin_trgm_ops)"),
    ("SELECT id FROM items WHERE 'abc' <% name", "gin items (name gin_trgm_ops)"),
    ("SELECT id FROM items WHERE name LIKE '%abcd%' AND shop = 7", "gin items (shop, name gin_trgm_ops)"),
    ("SELECT id FROM items ORDER BY name <-> 'name abc' LIMIT 5", "gist items (name gist_trgm_ops)"),
    ("SELECT id FROM items ORDER BY 'name abc' <<-> name LIMIT 5", "gist items (name gist_trgm_ops)"),
]
COLLATIONS = [
    ("""SELECT id FROM items WHERE name COLLATE "C" = 'name abc'""", 'items (name COLLATE "C")'),
    ("""SELECT id FROM items WHERE name = $1 COLLATE "C" AND shop = 7""", 'items (name COLLATE "C", shop)'),
    ('SELECT id FROM items ORDER BY name COLLATE "C" LIMIT 5', 'items (name COLLATE "C")'),
    (
        'SELECT id FROM items WHERE shop = 7 ORDER BY name COLLATE pg_catalog."C" DESC LIMIT 5',
        'items (shop, name COLLATE "C")',
    ),
    ("SELECT id FROM items ORDER BY plain COLLATE german LIMIT 5", "items (plain COLLATE german)"),
    ("""SELECT id FROM items WHERE plain COLLATE "C" = 'abc'""", "items (plain)"),
    ("SELECT id FROM items WHERE code COLLATE german > 'ff'", "items (code)"),
    ("""SELECT id FROM items WHERE lower(name) COLLATE "C" = 'name abc'""", 'items (lower(name) COLLATE "C")'),
    ("""SELECT id FROM items WHERE lower(name COLLATE "C") = 'name abc'""", 'items ((lower((name COLLATE "C"))))'),
    ("""SELECT id FROM items WHERE name COLLATE "C" LIKE 'name ab%'""", 'items (name COLLATE "C")'),
    ("""SELECT id FROM items WHERE name COLLATE apart."C" LIKE 'name ab%'""", "items (name text_pattern_ops)"),
    ("""SELECT id FROM items WHERE name COLLATE "C" LIKE '%abcd%'""", 'gin items (name COLLATE "C" gin_trgm_ops)'),
    ("""SELECT id FROM items WHERE name ^@ ('name ab' COLLATE "C")""", 'spgist items (name COLLATE "C")'),
    (
        """SELECT id FROM items WHERE (name, id) > ('a' COLLATE "C", 5) ORDER BY name COLLATE "C", id LIMIT 5""",
        'items (name COLLATE "C", id)',
    ),
    # Casts and functions that the server says are immutable.
    ("SELECT id FROM items WHERE login::text = 'Login7'", "items ((login::text))"),
    ("SELECT id FROM items WHERE login::text LIKE 'Login7%'", "items ((login::text))"),
    ("SELECT id FROM items WHERE name::citext = 'Name abc'", "items ((name::citext))"),
    ("SELECT id FROM items WHERE code::text LIKE 'ab%'", "items (code text_pattern_ops)"),
    ("SELECT id FROM places WHERE network::inet = '10.0.7.0/28'", "places (network)"),
    ("SELECT id FROM items WHERE shop::bigint * 2 = 14", "items (((shop::bigint * 2)))"),
    ("SELECT id FROM items WHERE squeezed(name) = 'nameabc'", "items (squeezed(name))"),
    ("SELECT id FROM items WHERE public.squeezed(name) LIKE 'nameab%'", "items (squeezed(name) text_pattern_ops)"),
    ("SELECT id FROM items WHERE public.md5(name) = 'nameabc'", "items (public.md5(name))"),
    ("SELECT id FROM items WHERE md5(name) = 'nameabc'", "items (md5(name))"),
    ("SELECT id FROM items WHERE apart.squeezed(name) = 'nameabc'", "items (apart.squeezed(name))"),
    ("SELECT id FROM items WHERE cut(name) = 'nameabc'", "items (cut(name))"),
    ("SELECT id FROM items WHERE plain::char = 'a'", "items ((plain::character(1)))"),
    ("SELECT id FROM items WHERE plain::bpchar = 'abc'::bpchar", "items ((plain::bpchar))"),
    ("SELECT id FROM items WHERE shop = 7 AND halved(shop) = 3", "items (halved(shop), shop)"),
    ("SELECT id FROM items ORDER BY halved(id) LIMIT 5", "items (halved(id))"),
    ("SELECT id FROM items WHERE length(squeezed(code)) > 60", "items (length(squeezed(code)))"),
    # Functions of PostgreSQL, also those that a parser knows under another name.
    ("SELECT id FROM items WHERE split_part(name, ' ', 2) = 'abc'", "items (split_part(name, ' ', 2))"),
    ("SELECT id FROM items WHERE replace(name, ' ', '') LIKE 'ab%'", "items (replace(name, ' ', '') text_pattern_ops)"),
    ("SELECT id FROM items WHERE lower(trim(name)) = 'abc'", "items (lower(btrim(name)))"),
    ("SELECT id FROM items WHERE trim(LEADING 'n' FROM name) = 'abc'", "items (ltrim(name, 'n'))"),
    ("SELECT id FROM items WHERE Btrim(name) = 'abc'", "items (btrim(name))"),
    ("SELECT id FROM items WHERE round(shop::numeric, -1) = 40", "items (round(shop::numeric, -1))"),
    ("SELECT id FROM places WHERE floor(score) = 7", "places (floor(score))"),
    ("SELECT id FROM items WHERE encode(digest, 'hex') = 'abcd'", "items (encode(digest, 'hex'))"),
    ("SELECT id FROM places WHERE host(address) = '10.0.7.1'", "places (host(address))"),
    ("SELECT id FROM items WHERE id % 1000 = 7", "items ((id % 1000))"),
    ("SELECT id FROM items WHERE mod(id, 1000) = 7", "items (mod(id, 1000))"),
    ("SELECT id FROM items WHERE greatest(id, shop, 7) = 9", "items ((greatest(id, shop, 7)))"),
    ("SELECT id FROM items WHERE halved(abs(length(name))) > 60", "items (halved(abs(length(name))))"),
    ("SELECT id FROM items WHERE shortened(name) = 'abc'", "items (shortened(name))"),
    ("SELECT id FROM items WHERE coded(code) = 'abc'", "items (coded(code))"),
    ("SELECT id FROM places WHERE date_part('year', opened) = 2031", "places (date_part('year', opened))"),
    ("SELECT id FROM items WHERE since(id, '2024-01-01') = 7", "items (since(id, '2024-01-01'))"),
    ("SELECT id FROM items WHERE tagged(id, 'today') = 7", "items (tagged(id, 'today'))"),
    ("SELECT id FROM items WHERE coalesce(summary, 'today') = 'summary 7'", "items (coalesce(summary, 'today'))"),
    ("SELECT id FROM places WHERE coalesce(opened, '2024-01-01') = $1", "places (coalesce(opened, '2024-01-01'))"),
    ("SELECT id FROM places WHERE kind = 'now' AND room = 7", "places (room) WHERE kind = 'now'"),
    # Attributes of composite values.
    ("SELECT id FROM places WHERE (owner).city LIKE 'city 77%'", "places (((owner).city) text_pattern_ops)"),
    ("SELECT id FROM places WHERE (owner).zip LIKE 'zip 7%'", "places (((owner).zip))"),
    ("SELECT id FROM places WHERE (owner).city LIKE '%city 77%'", "gin places (((owner).city) gin_trgm_ops)"),
]
DOCUMENTS = [
    ("""SELECT id FROM items WHERE document @> '{"color": "c7"}'""", "gin items (document jsonb_path_ops)"),
    ("""SELECT id FROM items WHERE document @? '$.color ? (@ == "c7")'""", "gin items (document jsonb_path_ops)"),
    ("""SELECT id FROM items WHERE document @@ '$.color == "c7"'""", "gin items (document jsonb_path_ops)"),
    ("SELECT id FROM items WHERE document ?& ARRAY['color', 'x']", "gin items (document)"),
    (
        """SELECT id FROM items WHERE document ? 'size' AND document @> '{"color": "c7"}'""",
        "gin items (document jsonb_ops)",
    ),
    ("SELECT id FROM items WHERE extra -> 'parts' @> '[7]'", "gin items ((extra -> 'parts') jsonb_path_ops)"),
    ("SELECT id FROM items WHERE extra -> 'parts' ? 'x'", "gin items ((extra -> 'parts'))"),
    ("SELECT id FROM items WHERE tags @> ARRAY['t7']", "gin items (tags)"),
    ("SELECT id FROM items WHERE names && ARRAY['n7']::varchar[]", "gin items (names)"),
    ("SELECT id FROM items WHERE moods @> ARRAY['calm']::mood[]", "gin items (moods)"),
    ("SELECT id FROM items WHERE counters @> ARRAY[7]::bigint[]", "gin items (counters)"),
    ("SELECT id FROM items WHERE numbers && ARRAY[7]", "gin items (numbers gin__int_ops)"),
    ("SELECT id FROM items WHERE ARRAY[7] <@ numbers", "gin items (numbers gin__int_ops)"),
    ("SELECT id FROM items WHERE numbers @@ '7&21'::query_int", "gin items (numbers gin__int_ops)"),
    ("SELECT id FROM items WHERE labels @> 'season=>s7'", "gin items (labels)"),
    ("SELECT id FROM items WHERE labels @> 'season=>s7' AND shop = 3", "gin items (shop, labels)"),
    ("SELECT id FROM items WHERE path <@ 'shop.c7.d7'", "gist items (path)"),
    ("SELECT id FROM items WHERE 'shop.c7.d7' @> path", "gist items (path)"),
    ("SELECT id FROM items WHERE path @ 'c7 & d47'", "gist items (path)"),
    ("SELECT id FROM items WHERE path ~ 'shop.c7.d47'", "gist items (path)"),
    ("SELECT id FROM items WHERE path ~ '*.d7'", "gist items (path)"),
    ("SELECT id FROM items WHERE path ~ $1", "gist items (path)"),
    # Elements and attributes.
    ("SELECT id FROM items WHERE document['color'] = '\"c7\"'", "items ((document['color']))"),
    ("SELECT id FROM items WHERE extra['parts'][0] = '7'", "items ((extra['parts'][0]))"),
    ("SELECT id FROM items WHERE labels['season'] = 's7'", "items ((labels['season']))"),
    ("SELECT id FROM items WHERE tags[1] = 't7'", "items ((tags[1]))"),
    ("SELECT id FROM items WHERE numbers[2] > 3990", "items ((numbers[2]))"),
    ("SELECT id FROM places WHERE (owner).city = 'city 7'", "places (((owner).city))"),
    ("SELECT id FROM places p WHERE lower((p.owner).city) = $1", "places (lower((owner).city))"),
    ("SELECT id FROM places ORDER BY (owner).city LIMIT 5", "places (((owner).city))"),
    ("SELECT id FROM items WHERE search @@ to_tsquery('simple', 'word7')", "gin items (search)"),
    (
        "SELECT id FROM items WHERE to_tsvector('english', body) @@ to_tsquery('english', 'word7')",
        "gin items (to_tsvector('english', body))",
    ),
    (
        "SELECT id FROM items WHERE to_tsvector('simple'::regconfig, body) @@ to_tsquery('simple', 'word7')",
        "gin items (to_tsvector('simple', body))",
    ),
    (
        "SELECT id FROM items WHERE to_tsvector('english', coalesce(summary, '') || ' ' || body) @@ 'word7'::tsquery",
        "gin items (to_tsvector('english', coalesce(summary, '') || ' ' || body))",
    ),
    ("SELECT id FROM items WHERE search @@ 'word7'::tsquery AND tags @> ARRAY['t7']", "gin items (search, tags)"),
    ("SELECT id FROM items WHERE kind = 'kind 3' AND tags @> ARRAY['t7']", "gin items (tags) WHERE kind = 'kind 3'"),
]
PLACES = [
    ("SELECT id FROM places WHERE during && tstzrange('2024-02-01', '2024-02-02')", "gist places (during)"),
    ("SELECT id FROM places WHERE during && tstzrange('2024-02-01', '2024-02-02')", "spgist places (during)"),
    ("SELECT id FROM places WHERE during @> '2024-02-01'::timestamptz", "gist places (during)"),
    ("SELECT id FROM places WHERE '2024-02-01'::timestamptz <@ during", "gist places (during)"),
    ("SELECT id FROM places WHERE prices @> 7.5", "gist places (prices)"),
    ("SELECT id FROM places WHERE heat && float_span(7, 9)", "gist places (heat)"),
    ("SELECT id FROM places WHERE spans && int4range(7, 9)", "gist places (spans)"),
    ("SELECT id FROM places WHERE spans @> 7", "gist places (spans)"),
    (
        "SELECT id FROM places WHERE room = 3 AND during && tstzrange('2024-02-01', '2024-02-02')",
        "gist places (room, during)",
    ),
    ("SELECT id FROM places WHERE spot <@ box(point(1,1), point(9,9))", "gist places (spot)"),
    ("SELECT id FROM places WHERE spot <@ box(point(1,1), point(9,9))", "spgist places (spot)"),
    ("SELECT id FROM places WHERE spot ~= point(1,1)", "spgist places (spot)"),
    ("SELECT id FROM places WHERE area && box(point(1,1), point(9,9))", "gist places (area)"),
    ("SELECT id FROM places WHERE outline @> polygon(box(point(1,1), point(2,2)))", "gist places (outline)"),
    ("SELECT id FROM places WHERE ring && circle(point(1,1), 3)", "gist places (ring)"),
    ("SELECT id FROM places WHERE address <<= '10.0.7.0/24'", "gist places (address inet_ops)"),
    ("SELECT id FROM places WHERE address <<= '10.0.7.0/24'", "spgist places (address)"),
    ("SELECT id FROM places WHERE network >> '10.0.7.7'", "spgist places (network)"),
    ("SELECT id FROM places WHERE colour <@ $1", "gist places (colour)"),
    ("SELECT id FROM places ORDER BY colour <-> $1 LIMIT 5", "gist places (colour)"),
    ("SELECT id FROM places ORDER BY spot <-> point(1,1) LIMIT 5", "gist places (spot)"),
    ("SELECT id FROM places ORDER BY point(1,1) <-> spot LIMIT 5", "spgist places (spot)"),
    ("SELECT id FROM places WHERE room = 3 ORDER BY spot <-> point(1,1) LIMIT 5", "gist places (room, spot)"),
    ("SELECT id FROM places ORDER BY outline <-> point(1,1) LIMIT 5", "gist places (outline)"),
    ("SELECT id FROM places ORDER BY score <-> 7 LIMIT 5", "gist places (score)"),
    ("SELECT id FROM places ORDER BY opened <-> '2021-01-01' LIMIT 5", "gist places (opened)"),
]
VECTORS = [
    (f"SELECT id FROM vectors ORDER BY small <-> {_FEW} LIMIT 5", "ivfflat vectors (small) WITH (lists = 300)"),
    (f"SELECT id FROM vectors ORDER BY small <-> {_FEW} LIMIT 5", "hnsw vectors (small vector_l2_ops)"),
    (
        f"SELECT id FROM vectors ORDER BY small <#> {_FEW} LIMIT 5",
        "ivfflat vectors (small vector_ip_ops) WITH (lists = 300)",
    ),
    (f"SELECT id FROM vectors ORDER BY small <+> {_FEW} LIMIT 5", "hnsw vectors (small vector_l1_ops)"),
    (f"SELECT id FROM vectors ORDER BY {_FEW} <=> small LIMIT 5", "hnsw vectors (small vector_cosine_ops)"),
    (f"SELECT id FROM vectors ORDER BY half <=> {_FEW} LIMIT 5", "hnsw vectors (half halfvec_cosine_ops)"),
    ("SELECT id FROM vectors ORDER BY sparse <-> '{1:1}/1000' LIMIT 5", "hnsw vectors (sparse sparsevec_l2_ops)"),
    ("SELECT id FROM vectors ORDER BY bits <~> $1 LIMIT 5", "hnsw vectors (bits bit_hamming_ops)"),
    ("SELECT id FROM vectors ORDER BY bits <%> $1 LIMIT 5", "hnsw vectors (bits bit_jaccard_ops)"),
    (
        "SELECT id FROM vectors ORDER BY large::halfvec(2100) <-> $1 LIMIT 5",
        "hnsw vectors ((large::halfvec(2100)) halfvec_l2_ops)",
    ),
    (
        "SELECT id FROM vectors ORDER BY binary_quantize(large)::bit(2100) <~> $1 LIMIT 5",
        "hnsw vectors ((binary_quantize(large)::bit(2100)) bit_hamming_ops)",
    ),
    (
        "SELECT id FROM vectors ORDER BY loose::vector(8) <-> $1 LIMIT 5",
        "hnsw vectors ((loose::vector(8)) vector_l2_ops)",
    ),
    (
        f"SELECT id FROM vectors WHERE kind = 'kind 3' ORDER BY small <-> {_FEW} LIMIT 5",
        "ivfflat vectors (small) WITH (lists = 60) WHERE kind = 'kind 3'",
    ),
    (
        f"SELECT id FROM vectors WHERE kind = 'kind 3' ORDER BY small <-> {_FEW} LIMIT 5",
        "hnsw vectors (small vector_l2_ops) WHERE kind = 'kind 3'",
    ),
    (
        "SELECT id FROM pictures WHERE kind = 'audio' ORDER BY huge::halfvec(2100) <=> $1 LIMIT 5",
        "hnsw pictures ((huge::halfvec(2100)) halfvec_cosine_ops) WHERE kind = 'audio'",
    ),
    # Of all rows, ivfflat takes more memory than there is; of a tenth of them it does not.
    (
        "SELECT id FROM pictures WHERE kind = 'audio' ORDER BY huge::halfvec(2100) <-> $1 LIMIT 5",
        "ivfflat pictures ((huge::halfvec(2100)) halfvec_l2_ops) WITH (lists = 30) WHERE kind = 'audio'",
    ),
    ("SELECT id FROM pictures ORDER BY wide <-> $1 LIMIT 5", "hnsw pictures (wide vector_l2_ops)"),
    (
        "SELECT id FROM pictures WHERE kind = 'audio' ORDER BY short <-> $1 LIMIT 5",
        "ivfflat pictures (short) WITH (lists = 30) WHERE kind = 'audio'",
    ),
    # What is found by the quantised values is sorted by the exact ones.
    (
        """SELECT id FROM (SELECT id, huge FROM pictures ORDER BY binary_quantize(huge)::bit(2100) <~>
        binary_quantize($1::vector) LIMIT 50) AS found ORDER BY huge <=> $1::vector LIMIT 5""",
        "hnsw pictures ((binary_quantize(huge)::bit(2100)) bit_hamming_ops)",
    ),
]
BLOCKS = [
    ("SELECT url FROM log WHERE at > '2025-01-01 10:00' AND at < '2025-01-01 10:05'", "brin log (at)"),
    ("SELECT url FROM log WHERE at = '2025-01-01 10:00'", "brin log (at)"),
    (
        "SELECT url FROM log WHERE late > '2025-01-01 10:00' AND late < '2025-01-01 10:05'",
        "brin log (late timestamp_minmax_multi_ops)",
    ),
    ("SELECT url FROM log WHERE source << '10.0.7.0/24'", "brin log (source)"),
    ("SELECT url FROM log WHERE source > '10.0.70.0' AND source < '10.0.71.0'", "brin log (source inet_minmax_ops)"),
    ("SELECT url FROM log WHERE device = $1", "brin log (device uuid_bloom_ops)"),
]
EQUALITY = [
    ("SELECT id FROM items WHERE token = $1", "hash items (token)"),
    ("SELECT id FROM items WHERE owner = '7'", "hash items (owner)"),
    ("SELECT id FROM items WHERE document = $1", "hash items (document)"),
    ("SELECT id FROM log WHERE url = $1", "hash log (url)"),
    ("SELECT id FROM items WHERE digest = $1", "items (digest)"),
    ("SELECT id FROM items WHERE login = $1", "items (login)"),
    ("SELECT id FROM items WHERE path > 'shop.c7' AND path < 'shop.c8'", "items (path)"),
    (
        """SELECT id FROM forms WHERE maker = 1 AND colour = 2; SELECT id FROM forms WHERE shape = 'a' AND grade = 'b';
        SELECT id FROM forms WHERE colour = 3 AND year = 7 AND grade = 'b'""",
        "bloom forms (colour, grade, maker, shape, year)",
    ),
]
MISSES = [
    # A prefix wants a btree, no trigrams; a pattern without three letters has none; LIKE of citext is another operator.
    ("SELECT id FROM items WHERE name LIKE 'name ab%'", "gin items (name gin_trgm_ops)"),
    ("SELECT id FROM items WHERE name LIKE '%ab%'", "gin items (name gin_trgm_ops)"),
    ("SELECT id FROM items WHERE name LIKE '%a_c%'", "gin items (name gin_trgm_ops)"),
    ("SELECT id FROM items WHERE name LIKE '%abcd%'", "items (name text_pattern_ops)"),
    ("SELECT id FROM items WHERE name LIKE '%abcd%'", "gist items (name gist_trgm_ops)"),
    ("SELECT id FROM items WHERE name NOT LIKE '%abcd%'", "gin items (name gin_trgm_ops)"),
    ("SELECT id FROM items WHERE name LIKE ANY (ARRAY['%abcd%'])", "gin items (name gin_trgm_ops)"),
    ("SELECT id FROM items WHERE name ILIKE 'name ab%'", "items (name text_pattern_ops)"),
    ("SELECT id FROM items WHERE name ~ 'ab|^name'", "items (name text_pattern_ops)"),
    ("SELECT id FROM items WHERE name !~ 'abcd'", "gin items (name gin_trgm_ops)"),
    ("SELECT id FROM items WHERE plain LIKE 'abc%'", "items (plain text_pattern_ops)"),
    ("SELECT id FROM items WHERE login LIKE '%abcd%'", "gin items (login gin_trgm_ops)"),
    ("SELECT id FROM items WHERE login LIKE 'login7%'", "items (login citext_pattern_ops)"),
    ("SELECT id FROM items WHERE body LIKE 'a%' AND body = token", "items (token)"),
    ("SELECT id FROM items ORDER BY name <-> 'name abc'", "gist items (name gist_trgm_ops)"),
    ("SELECT id FROM items ORDER BY name <-> 'name abc' DESC LIMIT 5", "gist items (name gist_trgm_ops)"),
    # Another collation, a function that is not immutable, or means one that is not, a constant that is compared with.
    ("""SELECT id FROM items WHERE plain COLLATE "C" = 'abc'""", "items (plain COLLATE german)"),
    ("""SELECT id FROM items WHERE name COLLATE "C" LIKE 'name ab%'""", "items (name text_pattern_ops)"),
    ("SELECT id FROM items ORDER BY name LIMIT 5", 'items (name COLLATE "C")'),
    ("""SELECT id FROM items WHERE name COLLATE apart."C" LIKE 'name ab%'""", 'items (name COLLATE apart."C")'),
    ("""SELECT id FROM items WHERE name COLLATE "C" LIKE '%abcd%'""", "gin items (name gin_trgm_ops)"),
    ("""SELECT id FROM items WHERE name ^@ ('name ab' COLLATE "C")""", "spgist items (name)"),
    (
        """SELECT id FROM items WHERE (name, id) > ('a' COLLATE "C", 5) ORDER BY name COLLATE "C", id LIMIT 5""",
        "items (name, id)",
    ),
    ("SELECT id FROM items WHERE stamped(name) = 'x'", "items (squeezed(name))"),
    ("SELECT id FROM items WHERE nvl(name, '') = 'name abc'", "items (coalesce(name, ''))"),
    ("SELECT id FROM items WHERE cut(code) = 'x'", "items (cut(code::text))"),
    ("SELECT id FROM items WHERE glued(code) = 'x'", "items (glued(code::text))"),
    ("SELECT id FROM items WHERE similarity(name, 'name abc') > 0.9", "items (similarity(name, 'name abc'))"),
    ("SELECT id FROM items WHERE login = 'Login7'", "items ((login::text))"),
    ("SELECT id FROM items WHERE login::text LIKE 'Login7%'", "items ((login::text) text_pattern_ops)"),
    ("SELECT id FROM items WHERE code::text = 'ab'", "items ((code::text))"),
    ("SELECT id FROM places WHERE network::inet = '10.0.7.0/28'", "places ((network::inet))"),
    ("SELECT id FROM places WHERE (owner).zip LIKE 'zip 7%'", "places (((owner).zip) text_pattern_ops)"),
    ("SELECT id FROM places WHERE (owner).city ILIKE 'city 77%'", "places (((owner).city) text_pattern_ops)"),
    ("SELECT id FROM places WHERE greatest(opened, 'today') = $1", "places ((greatest(opened, 'today')))"),
    ("SELECT id FROM items WHERE coded(name) = 'abc'", "items (coded(name))"),
    ("SELECT id FROM items WHERE strpos(name, 'abc') = 3", "items (strpos(name, 'abc'))"),
    # What a constant means at the moment, and what no index can hold.
    ("SELECT id FROM items WHERE since(id, 'today') = 7", "items (since(id, 'today'))"),
    ("SELECT id FROM items WHERE since(id, DATE 'yesterday') = 7", "items (since(id, 'yesterday'::date))"),
    ("SELECT id FROM places WHERE coalesce(opened, 'Tomorrow') = $1", "places (coalesce(opened, 'Tomorrow'))"),
    ("SELECT id FROM places WHERE coalesce('today', opened) = $1", "places (coalesce('today', opened))"),
    # jsonb_path_ops has no ?; an array has no ->; what an operator of intarray asks, array_ops does not answer.
    ("SELECT id FROM items WHERE document ? 'color'", "gin items (document jsonb_path_ops)"),
    ("""SELECT id FROM items WHERE document @> '{"color": "c7"}'""", "gin items (document)"),
    ("SELECT id FROM items WHERE extra -> 'parts' ? 'x'", "gin items ((extra -> 'parts') jsonb_path_ops)"),
    ("SELECT id FROM items WHERE document ->> 'color' = 'c7'", "gin items (document)"),
    ("SELECT id FROM items WHERE 't7' = ANY (tags)", "gin items (tags)"),
    ("SELECT id FROM items WHERE numbers && ARRAY[7]", "gin items (numbers)"),
    ("SELECT id FROM items WHERE numbers && ARRAY[7]", "gist items (numbers)"),
    ("SELECT id FROM items WHERE labels -> 'season' = 's7'", "gin items (labels)"),
    ("SELECT id FROM items WHERE search @@ 'word7'::tsquery", "gist items (search)"),
    ("SELECT id FROM items WHERE to_tsvector(body) @@ to_tsquery('word7')", "gin items (to_tsvector('english', body))"),
    (
        "SELECT id FROM items WHERE to_tsvector('english', body) @@ to_tsquery('english', 'word7')",
        "gin items (to_tsvector('simple', body))",
    ),
    ("SELECT id FROM items WHERE tags @> ARRAY['t7'] AND shop > 3", "gin items (shop, tags)"),
    ("SELECT id FROM items WHERE numbers[1:1] = '{7}'", "items ((numbers[1]))"),
    ("SELECT id FROM items WHERE numbers[shop] = 7", "items ((numbers[1]))"),
    ("SELECT id FROM items WHERE (extra['parts'])[0] = '7'", "items ((extra['parts'][0]))"),
    ("SELECT id FROM items WHERE name ~ 'n7'", "gin items (name gin_trgm_ops)"),
    ("SELECT id FROM places WHERE owner = ROW('city 7', 'zip 7')::home", "places (((owner).city))"),
    # Ranges and shapes.
    ("SELECT id FROM places WHERE lower(during) > '2024-02-01'", "gist places (during)"),
    ("SELECT id FROM places WHERE spans @> 7", "spgist places (spot)"),
    ("SELECT id FROM places WHERE room > 3 AND during @> now()", "gist places (room, during)"),
    ("SELECT id FROM places WHERE spot <-> point(1,1) < 5", "gist places (spot)"),
    ("SELECT id FROM places ORDER BY spot <-> point(1,1)", "gist places (spot)"),
    ("SELECT id FROM places ORDER BY score <-> 7 DESC LIMIT 5", "gist places (score)"),
    ("SELECT id FROM places ORDER BY room - 7 LIMIT 5", "gist places (room)"),
    ("SELECT id FROM places WHERE address = '10.0.7.1'", "spgist places (address)"),
    # Vectors: too many dimensions, none, a class that the method lacks, another direction.
    ("SELECT id FROM vectors ORDER BY large <-> $1 LIMIT 5", "hnsw vectors ((large::halfvec(2100)) halfvec_l2_ops)"),
    (f"SELECT id FROM vectors ORDER BY loose <-> {_FEW} LIMIT 5", "hnsw vectors ((loose::vector(8)) vector_l2_ops)"),
    (f"SELECT id FROM vectors ORDER BY small <-> {_FEW} LIMIT 5", "hnsw vectors (small vector_cosine_ops)"),
    (f"SELECT id FROM vectors ORDER BY small <-> {_FEW} DESC LIMIT 5", "hnsw vectors (small vector_l2_ops)"),
    (f"SELECT id FROM vectors WHERE small <-> {_FEW} < 3", "hnsw vectors (small vector_l2_ops)"),
    (f"SELECT 1 - (small <=> {_FEW}) FROM vectors ORDER BY 1 DESC LIMIT 5", "hnsw vectors (small vector_cosine_ops)"),
    ("SELECT id FROM pictures ORDER BY wide <-> $1 LIMIT 5", "ivfflat pictures (wide) WITH (lists = 300)"),
    (
        "SELECT id FROM pictures ORDER BY huge <=> $1 LIMIT 5",
        "hnsw pictures ((huge::halfvec(2100)) halfvec_cosine_ops)",
    ),
    (
        "SELECT id FROM pictures WHERE kind = 'audio' ORDER BY huge::halfvec(2100) <-> $1 LIMIT 5",
        "ivfflat pictures ((huge::halfvec(2100)) halfvec_l2_ops) WITH (lists = 300)",
    ),
    # Of most of the rows, of one value of many, and of a parameter of which no value is known.
    (
        "SELECT id FROM pictures WHERE kind = 'image' ORDER BY short <-> $1 LIMIT 5",
        "hnsw pictures (short vector_l2_ops) WHERE kind = 'image'",
    ),
    (
        "SELECT id FROM pictures WHERE tenant = 7 ORDER BY short <-> $1 LIMIT 5",
        "hnsw pictures (short vector_l2_ops) WHERE tenant = 7",
    ),
    (
        "SELECT id FROM pictures WHERE kind = $2 ORDER BY short <-> $1 LIMIT 5",
        "hnsw pictures (short vector_l2_ops) WHERE kind = 'audio'",
    ),
    # Blocks: one value, no order, few pages.
    ("SELECT url FROM log WHERE same = 1", "brin log (same)"),
    ("SELECT url FROM log WHERE level = 1", "brin log (level)"),
    ("SELECT url FROM log WHERE level > 1", "brin log (level int4_minmax_multi_ops)"),
    ("SELECT url FROM log WHERE device > $1", "brin log (device)"),
    ("SELECT url FROM log WHERE level = 1", "brin log (level int4_bloom_ops)"),
    ("SELECT url FROM log WHERE late > '2025-01-01 10:00'", "brin log (late)"),
    ("SELECT id FROM items WHERE id > 7 AND id < 9", "brin items (id int4_bloom_ops)"),
    # Equality.
    ("SELECT id FROM items WHERE token = $1", "items (token)"),
    ("SELECT id FROM items WHERE token > $1", "hash items (token)"),
    ("SELECT id FROM items WHERE name = $1", "hash items (name)"),
    ("SELECT id FROM items WHERE note ->> 'a' = $1", "hash items (token)"),
    (
        "SELECT id FROM forms WHERE maker = 1 AND colour = 2; SELECT id FROM forms WHERE maker = 3 AND colour = 4",
        "bloom forms (colour, maker)",
    ),
]


@pytest.fixture(scope="module")
def operators(server: str) -> Iterator[Sentences]:
    """The twin of tables with columns of many types."""
    with open_sentences(server, schema=SCHEMA.read_text(), times=TIMES) as opened:
        yield opened


@pytest.mark.parametrize(
    ("statement", "index"), [*PATTERNS, *COLLATIONS, *DOCUMENTS, *PLACES, *VECTORS, *BLOCKS, *EQUALITY]
)
def test_a_statement_gets_what_serves_its_operator(operators: Sentences, statement: str, index: str) -> None:
    operators.assert_gets(statement, index)


@pytest.mark.parametrize(("statement", "index"), MISSES)
def test_a_statement_that_is_nearly_alike_does_not(operators: Sentences, statement: str, index: str) -> None:
    operators.assert_does_not_get(statement, index)


@pytest.mark.parametrize(
    ("calls", "others", "seen", "index", "is_drafted"),
    [
        (20, 0, ("1", "1", "7"), "hnsw pictures (short vector_l2_ops) WHERE tenant = 1", True),
        (20, 900, ("1", "1", "7"), "hnsw pictures (short vector_l2_ops) WHERE tenant = 1", True),
        # Too few calls, a value that did not come again, another one, and one that few rows have.
        (19, 0, ("1", "1", "7"), "hnsw pictures (short vector_l2_ops) WHERE tenant = 1", False),
        (20, 900, ("1", "3", "7"), "hnsw pictures (short vector_l2_ops) WHERE tenant = 1", False),
        (20, 0, ("3", "3", "7"), "hnsw pictures (short vector_l2_ops) WHERE tenant = 1", False),
        (20, 0, ("7", "7", "1"), "hnsw pictures (short vector_l2_ops) WHERE tenant = 7", False),
    ],
)
def test_a_value_that_a_parameter_often_has_gets_a_vector_index_of_its_own(
    operators: Sentences, calls: int, others: int, seen: tuple[str, ...], index: str, *, is_drafted: bool
) -> None:
    (statement,) = parse_file("SELECT id FROM pictures WHERE tenant = $1 ORDER BY short <-> $2 LIMIT 5").statements
    bindings = tuple(
        LoggedBinding(values=(value, f"[{place},2,3]"), share=1 / len(seen)) for place, value in enumerate(seen)
    )
    logged = LoggedStatement(query=statement.text, calls=calls, other_calls=others, bindings=bindings)
    operators.twin.show(())
    _, item = shaped_and_priced(operators.twin, replace(statement, logged=logged))
    assert not isinstance(item, NotExamined)
    found = candidates(item.shapes, operators.twin.snapshot, operators.twin.operator_classes)
    wanted = operators.index(index)
    drafted = {operators.twin.printed(each.index) for each in found}
    assert (wanted in drafted) == is_drafted
    assert not any(each.method == "btree" and each.where for each in drafted)
    if is_drafted:
        before, _ = operators.cost_of([item], None)
        after, used = operators.cost_of([item], wanted)
        assert used
        assert after < before


@pytest.mark.parametrize(
    ("path", "text", "index"),
    [
        (("apart", "public"), "squeezed(name) = 'x'", "items (apart.squeezed(name))"),
        (("apart", "public"), "public.squeezed(name) = 'x'", "items (squeezed(name))"),
    ],
)
def test_a_function_is_the_one_of_the_search_path_of_its_statement(
    operators: Sentences, path: tuple[str, ...], text: str, index: str
) -> None:
    (statement,) = parse_file(f"SELECT id FROM public.items WHERE {text}").statements
    operators.twin.show(())
    _, item = shaped_and_priced(operators.twin, replace(statement, search_path=path))
    assert not isinstance(item, NotExamined)
    found = candidates(item.shapes, operators.twin.snapshot, operators.twin.operator_classes)
    assert operators.index(index) in {operators.twin.printed(each.index) for each in found}
    assert operators.cost_of([item], operators.index(index))[1]


@pytest.mark.parametrize(
    "condition",
    [
        "opened > 'today'",
        "opened = 'Now'",
        "opened IN ('today', '2024-01-01')",
        "opened <> 'yesterday'::date",
        "during = '[2024-01-01,today)'",
        "owner = '(a,b)'::home",
        "pair(room) = ROW(1, 2)",
    ],
)
def test_no_index_is_drafted_that_is_of_a_moment_or_that_the_server_refuses(
    operators: Sentences, condition: str
) -> None:
    statement = f"SELECT id FROM places WHERE room = 7 AND {condition}"
    drafted = operators.drafted(statement)
    assert drafted
    assert not any(each.where for each in drafted)
    assert not any(key.expression for each in drafted for key in each.keys)


def test_an_expression_of_a_long_constant_is_no_key(operators: Sentences) -> None:
    statements = f"SELECT id FROM items WHERE coalesce(summary, '{'x' * 200_000}') = 'x' AND shop = 7"
    operators.assert_gets(statements, "items (shop)")
    assert not any(each.expressions for each in operators.drafted(statements))


def test_what_a_statement_would_have_to_order_by_is_told(operators: Sentences) -> None:
    operators.twin.show(())
    advice = propose(operators.twin, parse_file("SELECT id FROM pictures ORDER BY huge <=> $1 LIMIT 5"))
    assert advice.proposals == ()
    ((ddl, reason),) = advice.not_proposed
    assert ddl is not None
    assert "hnsw ((huge::halfvec(2100)) halfvec_cosine_ops)" in ddl
    assert "orders by huge::halfvec(2100) <=> …" in reason
