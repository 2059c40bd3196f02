"""The dashboard: serves the page that a browser shows; what the page shows it asks the API for."""
