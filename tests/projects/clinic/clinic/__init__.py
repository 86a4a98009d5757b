"""The application: clinics as tenants, each with a schema of its own, and what they share."""
