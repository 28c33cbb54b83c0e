"""The figures, one file each: ``numbers`` computes what is drawn (and saved as csv), ``draw`` draws it."""
