"""One folder per page: the page and everything only that page needs."""
