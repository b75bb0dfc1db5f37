"""The live viewer: a page in the browser that shows a run's object while it is optimised, and afterwards."""
