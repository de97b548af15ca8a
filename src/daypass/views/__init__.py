"""Results as text, JSON, Markdown and annotations. Views decide nothing."""
