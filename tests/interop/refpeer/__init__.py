"""A second implementation of RFC 7574 (PPSPP), written from the RFC alone, to test Runnel against.

It shares no code with Runnel and favours plainness over speed. Sections named in comments are those of RFC 7574.
"""
