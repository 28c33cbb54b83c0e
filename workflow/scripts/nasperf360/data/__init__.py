"""Raw files from their sites to processed data sets, and on to those who fetch them."""
