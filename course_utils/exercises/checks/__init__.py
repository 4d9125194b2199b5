"""What the exercises of all lessons share: states, judges, and how an answer is read."""
