"""What policies say, told: the decision on a request, what may be asked for, examples, and two policies side by side."""
