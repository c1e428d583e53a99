"""The application for people and monitoring."""
