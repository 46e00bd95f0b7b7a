"""Reads numbers and bytes from a datagram, never past its end."""


class Malformed(Exception):
    """These bytes are no message of PPSPP."""


class Cursor:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    @property
    def left(self):
        return len(self.data) - self.at

    def bytes(self, count):
        begin = self.at
        self.at = end = begin + count
        if end > len(self.data):
            self.at = begin
            raise Malformed(f"{count} bytes wanted, {self.left} left")
        return self.data[begin:end]

    def number(self, size):
        return int.from_bytes(self.bytes(size), "big")
