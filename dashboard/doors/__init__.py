"""Who may come in: the names the server answers to, sign-in, what a visitor may do."""
