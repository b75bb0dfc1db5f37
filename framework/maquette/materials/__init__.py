"""Materials: how features become colour under light."""
