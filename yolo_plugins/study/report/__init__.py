"""What the laws look like and what they say: figures, words, a page. No torch."""
