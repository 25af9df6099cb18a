"""Recording and sending of audio and video: ffmpeg writes, the spool keeps, the uploader sends."""
