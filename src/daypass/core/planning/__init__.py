"""Plans: computed, held back in part, and told as drift."""
