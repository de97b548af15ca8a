"""Policy: what a request is judged by, and the judgement."""
