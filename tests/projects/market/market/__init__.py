"""The application: a market with sellers, listings, orders and messages."""
