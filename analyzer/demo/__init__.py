"""The reference platform: models, data, workload and the story that `twindex demo` tells with them."""

#: The specs that the demo leaves out and has to find again: composite, partial, covering, trigram, jsonb, vector, and
#: the index of a foreign key.
LEFT_OUT = (
    "ix_quote_rep_status_created",
    "ix_product_classification_review_queue",
    "ix_product_subcategory_price",
    "ix_product_name_trgm",
    "ix_product_attributes",
    "ix_classification_cache_embedding",
    "ix_quote_product",
)
