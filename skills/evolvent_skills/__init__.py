"""The seed skill library, shipped as data: one Agent Skills folder a skill."""
