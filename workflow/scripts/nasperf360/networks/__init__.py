"""The torch modules that search spaces build; imported only by jobs that train."""
