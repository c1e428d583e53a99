"""The pages for people: what came in, with its picture, and where it went."""
