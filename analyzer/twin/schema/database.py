"""Create the database of a twin with the captured one's encoding and collation, or the nearest the server has."""

from collections.abc import Iterator

import psycopg

from analyzer.documents.snapshot import NotExamined, Snapshot
from analyzer.postgres.collations import is_bytewise_locale
from analyzer.sql import render
from analyzer.twin.server.binaries import major_of
from analyzer.twin.server.choose import Host


def create_database(host: Host, snapshot: Snapshot) -> Iterator[NotExamined]:
    """Create `flat`, whose text compares as the captured database's: by byte, by ICU, or by a locale of libc's."""
    server = snapshot.server
    by_byte = is_bytewise_locale(server.locale_provider, server.collate)
    tries = [("libc", locale) for locale in dict.fromkeys((server.collate, "C.UTF-8", "C.utf8"))]
    if by_byte:
        tries = [("builtin", "C.UTF-8"), ("libc", "C")]
    elif server.locale_provider == "i" and server.locale:
        tries.insert(0, ("icu", server.locale))
    fallback = ("libc", "C")
    with host.connect() as connection:
        for encoding in dict.fromkeys((server.encoding, "UTF8")):
            for provider, locale in (*tries, fallback):
                values = {"provider": provider, "locale": locale, "encoding": encoding}
                query = render("twin/create_captured_database", database="flat", pg=major_of(host.version), **values)
                try:
                    connection.execute(query)
                except psycopg.Error:
                    continue
                if not by_byte and (provider, locale) != tries[0]:
                    reason = f"the twin has no {server.locale or server.collate}; estimates of text ranges are inexact"
                    yield NotExamined(what="collation", reason=reason)
                return
