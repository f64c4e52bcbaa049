"""Simulated gateways: thousands of incidents whose truth is known, and how well the tool finds it out.

``truth`` is what a simulated incident hands over to be judged, ``scoreboard`` judges it. The simulator shares no code
with the parsers or the correlator: it is written from the formats and from what real gateways were seen to do.
"""
