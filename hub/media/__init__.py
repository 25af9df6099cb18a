"""Media: content-addressed segments of audio and video, and who may look at them."""
