"""From a study to stored results: what is missing is planned, trained and committed as it comes."""
