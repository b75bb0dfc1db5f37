"""Backgrounds: colour or latents behind the object, by viewing direction."""
