"""What a Canon camera raw says of itself. Bytes in, nouns out."""
