"""From frames to findings. Pure: frames, a policy and a *now* go in, frames come out; no clock, no files."""
