"""What is made of the stored notebooks: a book, slides, and copies for students."""
