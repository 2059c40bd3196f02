"""Who may do what, and how secrets, personal data and the record of changes are protected; no storage, no network server."""
