"""Who may do what, and how secrets, personal data and the record of changes are protected. Stores nothing itself."""
