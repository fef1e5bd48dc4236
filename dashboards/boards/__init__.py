"""One module a dashboard, each with `board()` or, where the promises shape it, `board(promises)`."""
