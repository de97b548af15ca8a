"""The endpoints, by family. Every module here is imported when a hub starts; each registers its routes."""
