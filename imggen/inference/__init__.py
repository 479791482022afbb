"""What a trained run makes: samples, projections, films, translations."""
