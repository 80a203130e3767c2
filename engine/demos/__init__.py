"""Demonstrations: windows of known purchases that go before a query, where they come from and which are
chosen."""
