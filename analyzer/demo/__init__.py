"""The reference platform: models, data, workload and the story that `twindex demo` tells with them."""

#: The specs that the demo leaves out and has to find again, one for each kind of index and of need: composite, partial
#: on a flag and on a range, covering, on an expression, for the order alone, of a foreign key, trigrams, jsonb, arrays,
#: full text, vectors, block ranges.
LEFT_OUT = (
    "ix_quote_rep_status_created",
    "ix_product_classification_review_queue",
    "ix_product_subcategory_price",
    "ix_product_name_trgm",
    "ix_product_attributes",
    "ix_classification_cache_embedding",
    "ix_quote_product",
    "ix_customer_email_lower",
    "ix_document_search",
    "ix_customers_department_status_created",
    "ix_customer_scores_strong",
    "ix_sentiment_analysis_latest",
    "ix_sentiment_analysis_keywords",
    "ix_audit_log_recorded_brin",
)
