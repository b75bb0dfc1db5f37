"""The right view of a left one: networks and other makers of stereo, and how two views become one picture."""
