"""Engine: many requests, one forward per tick. Continuous batching over canvases."""
