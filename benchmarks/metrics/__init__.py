"""What metrics cost: a scrape of many circuits, and a protected call that somebody scrapes."""
