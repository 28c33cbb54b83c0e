"""What searching and retraining one cell takes, and what is recorded of it."""
