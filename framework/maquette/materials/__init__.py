"""Materials: functions from features to colour under light."""
